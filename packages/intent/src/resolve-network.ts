import type { Drafts } from '@portolan/ipam';
import type { Id, NetworkSpec } from '@portolan/model';
import type { Edit } from './edit.js';

type NetworkDraft = Drafts['network'];

export function resolveNetwork(edit: Edit, id: Id, spec: NetworkSpec, path: string, before: NetworkDraft | undefined): NetworkDraft {
  if (before !== undefined && spec.id !== undefined && spec.id !== id) {
    edit.add('immutable-field', `${path}/id`, `the id of the network "${spec.name}" is ${id}`);
  }
  const subnet = spec.subnet ?? before?.subnet ?? null;
  return {
    id,
    name: spec.name,
    version: before?.version ?? 1,
    labels: spec.labels ?? {},
    ingress: spec.ingress ?? false,
    vni: spec.vni ?? before?.vni ?? null,
    subnet,
    gateway: spec.gateway ?? (subnet === before?.subnet ? (before?.gateway ?? null) : null),
    extraSubnets: extraSubnetsOf(spec, before),
    mtu: spec.mtu ?? null,
    internal: spec.internal ?? false,
    attachable: spec.attachable ?? false,
    dsr: spec.dsr ?? false,
    ipvsTimeouts: spec.ipvsTimeouts ?? null,
  };
}

/** Those that are named, in their order. One that was there keeps the gateway and the VNI that are not pinned. */
function extraSubnetsOf(spec: NetworkSpec, before: NetworkDraft | undefined): NetworkDraft['extraSubnets'] {
  return (spec.extraSubnets ?? []).map(({ subnet, gateway, vni }) => {
    const kept = before?.extraSubnets.find((own) => own.subnet === subnet);
    return { subnet, gateway: gateway ?? kept?.gateway ?? null, vni: vni ?? kept?.vni ?? null };
  });
}
