import type { Drafts, PublishedPortDraft } from '@portolan/ipam';
import type { HealthCheck, HealthCheckSpec, Id, Service, ServiceNetwork, ServiceSpec } from '@portolan/model';
import type { Edit } from './edit.js';

type ServiceDraft = Drafts['service'];

export function resolveService(edit: Edit, id: Id, spec: ServiceSpec, path: string, before: ServiceDraft | undefined): ServiceDraft | undefined {
  const seen = edit.problems.length;
  const ports = portsOf(edit, spec, path, before?.ports ?? []);
  const networks = networksOf(edit, spec, path, before?.networks ?? []);
  if (edit.problems.length > seen) return undefined;
  return {
    id,
    name: spec.name,
    version: before?.version ?? 1,
    labels: spec.labels ?? {},
    endpointMode: spec.endpointMode ?? 'vip',
    scheduler: spec.scheduler ?? 'rr',
    persistence: spec.persistence ?? 0,
    networks,
    ports,
    healthCheck: spec.healthCheck === undefined ? null : healthCheckOf(spec.healthCheck),
    drainSeconds: spec.drainSeconds ?? null,
  };
}

/**
 * The networks that are named, and the ingress network exactly while a port is published on every node: naming that
 * one pins its VIP and mark, nothing else. What is not pinned is kept from before. With dnsrr there are no VIPs.
 */
function networksOf(edit: Edit, spec: ServiceSpec, path: string, before: readonly ServiceNetwork[]): readonly ServiceNetwork[] {
  const ingress = edit.ingress();
  const published = (spec.ports ?? []).some(isMeshed);
  if (published && ingress === undefined) edit.add('ingress-missing', `${path}/ports`, 'a port is published, but the cluster has no ingress network');

  const networks = new Map<Id, ServiceNetwork>();
  const marks = new Set<number>();
  spec.networks?.forEach(({ network, vip, mark, aliases }, i) => {
    const at = `${path}/networks/${i}`;
    const networkId = edit.resolve('network', network, `${at}/network`);
    if (networkId === undefined) return;
    if (networkId === ingress?.id && aliases !== undefined && aliases.length > 0) {
      const fix = 'Leave out the aliases: nothing on the ingress network has a name.';
      edit.add('unsupported-combination', `${at}/aliases`, `"${network}" is the ingress network, and aliases are names in DNS`, fix);
    }
    if (networkId === ingress?.id && !published) return;
    if (networks.has(networkId)) edit.add('duplicate-name', `${at}/network`, `the network "${network}" is named twice`, 'Name each network once.');
    if (mark !== undefined && marks.has(mark)) edit.add('mark-taken', `${at}/mark`, `the mark ${mark} is given twice in this service`);
    if (mark !== undefined) marks.add(mark);
    networks.set(networkId, { ...keptNetwork(networkId, spec, before, { vip, mark }), aliases: aliases ?? [] });
  });
  if (published && ingress !== undefined && !networks.has(ingress.id)) networks.set(ingress.id, keptNetwork(ingress.id, spec, before, {}));
  return [...networks.values()];
}

function keptNetwork(
  networkId: Id,
  { endpointMode }: ServiceSpec,
  before: readonly ServiceNetwork[],
  { vip, mark }: { readonly vip?: string | undefined; readonly mark?: number | undefined },
): ServiceNetwork {
  if (endpointMode === 'dnsrr') return { networkId, address: null, mark: null, localMark: null, aliases: [] };
  const kept = before.find((own) => own.networkId === networkId);
  return { networkId, address: vip ?? kept?.address ?? null, mark: mark ?? kept?.mark ?? null, localMark: kept?.localMark ?? null, aliases: [] };
}

/** Published on every node, by the routing mesh. */
export function isMeshed({ mode }: { readonly mode?: 'ingress' | 'host' }): boolean {
  return mode !== 'host';
}

/** A port that is not pinned keeps the published port that its target had. */
function portsOf(edit: Edit, spec: ServiceSpec, path: string, before: readonly PublishedPortDraft[]): readonly PublishedPortDraft[] {
  const wanted = (spec.ports ?? []).map((port) => ({
    published: port.published ?? null,
    target: port.target,
    protocol: port.protocol ?? ('tcp' as const),
    mode: port.mode ?? ('ingress' as const),
    externalTrafficPolicy: port.externalTrafficPolicy ?? ('cluster' as const),
    addresses: port.addresses ?? [],
    interfaces: port.interfaces ?? [],
  }));
  const taken = new Set<string>();
  wanted.forEach(({ published, protocol }, i) => {
    if (published === null) return;
    const key = `${published}/${protocol}`;
    if (taken.has(key)) edit.add('port-taken', `${path}/ports/${i}/published`, `the port ${key} is published twice in this service`);
    taken.add(key);
  });
  return wanted.map((port) => {
    if (port.published !== null) return port;
    const { target, protocol } = port;
    const kept = before.find((own) => own.target === target && own.protocol === protocol && !taken.has(`${own.published}/${protocol}`));
    if (kept !== undefined) taken.add(`${kept.published}/${protocol}`);
    return { ...port, published: kept?.published ?? null };
  });
}

function healthCheckOf(spec: HealthCheckSpec): HealthCheck {
  const { kind, port, intervalMs = 1000, timeoutMs = 500, failures = 2, successes = 2 } = spec;
  const path = spec.kind === 'http' ? (spec.path ?? '/') : '';
  return { kind, port, path, intervalMs, timeoutMs, failures, successes };
}

/** The service on another ingress network: its VIP there is allocated, everything else stays. */
export function moveIngress(service: Service, from: Id | undefined, to: Id): ServiceDraft {
  const moved: ServiceNetwork = { networkId: to, address: null, mark: null, localMark: null, aliases: [] };
  return { ...service, networks: [...service.networks.filter((own) => own.networkId !== from), moved] };
}
