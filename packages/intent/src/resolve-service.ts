import type { Drafts, PublishedPortDraft, VirtualIpDraft } from '@portolan/ipam';
import type { Id, Service, ServiceSpec } from '@portolan/model';
import type { Edit } from './edit.js';

type ServiceDraft = Drafts['service'];

export function resolveService(edit: Edit, id: Id, spec: ServiceSpec, path: string, before: ServiceDraft | undefined): ServiceDraft | undefined {
  const seen = edit.problems.length;
  const ports = portsOf(edit, spec, path, before?.ports ?? []);
  const vips = vipsOf(edit, spec, path, before?.vips ?? []);
  if (edit.problems.length > seen) return undefined;
  return { id, name: spec.name, version: before?.version ?? 1, labels: spec.labels ?? {}, scheduler: spec.scheduler ?? 'rr', vips, ports };
}

/**
 * A VIP for each network that is named, and one on the ingress network exactly while ports are published: naming the
 * ingress network pins its VIP and mark, nothing else. What is not pinned is kept from before.
 */
function vipsOf(edit: Edit, spec: ServiceSpec, path: string, before: readonly VirtualIpDraft[]): readonly VirtualIpDraft[] {
  const ingress = edit.ingress();
  const published = (spec.ports?.length ?? 0) > 0;
  if (published && ingress === undefined) edit.add('ingress-missing', `${path}/ports`, 'a port is published, but the cluster has no ingress network');

  const vips = new Map<Id, VirtualIpDraft>();
  const marks = new Set<number>();
  spec.networks?.forEach(({ network, vip, mark }, i) => {
    const at = `${path}/networks/${i}`;
    const networkId = edit.resolve('network', network, `${at}/network`);
    if (networkId === undefined || (networkId === ingress?.id && !published)) return;
    if (vips.has(networkId)) edit.add('duplicate-name', `${at}/network`, `the network "${network}" is named twice`, 'Name each network once.');
    if (mark !== undefined && marks.has(mark)) edit.add('mark-taken', `${at}/mark`, `the mark ${mark} is given twice in this service`);
    if (mark !== undefined) marks.add(mark);
    const kept = before.find((own) => own.networkId === networkId);
    vips.set(networkId, { networkId, address: vip ?? kept?.address ?? null, mark: mark ?? kept?.mark ?? null });
  });
  if (published && ingress !== undefined && !vips.has(ingress.id)) {
    vips.set(ingress.id, before.find((own) => own.networkId === ingress.id) ?? { networkId: ingress.id, address: null, mark: null });
  }
  return [...vips.values()];
}

/** A port that is not pinned keeps the published port that its target had. */
function portsOf(edit: Edit, spec: ServiceSpec, path: string, before: readonly PublishedPortDraft[]): readonly PublishedPortDraft[] {
  const wanted = (spec.ports ?? []).map((port) => ({ ...port, protocol: port.protocol ?? ('tcp' as const) }));
  const taken = new Set<string>();
  wanted.forEach(({ published, protocol }, i) => {
    if (published === undefined) return;
    const key = `${published}/${protocol}`;
    if (taken.has(key)) edit.add('port-taken', `${path}/ports/${i}/published`, `the port ${key} is published twice in this service`);
    taken.add(key);
  });
  return wanted.map(({ published, target, protocol }) => {
    if (published !== undefined) return { published, target, protocol };
    const kept = before.find((port) => port.target === target && port.protocol === protocol && !taken.has(`${port.published}/${protocol}`));
    if (kept !== undefined) taken.add(`${kept.published}/${protocol}`);
    return { published: kept?.published ?? null, target, protocol };
  });
}

/** The service on another ingress network: its VIP there is allocated, everything else stays. */
export function moveIngress(service: Service, from: Id | undefined, to: Id): ServiceDraft {
  return { ...service, vips: [...service.vips.filter((vip) => vip.networkId !== from), { networkId: to, address: null, mark: null }] };
}
