import { podAddresses } from '@portolan/ipam';
import { type Flannel, type FlannelLease, type FlannelPath, type FlannelSpec, isSameLease, pathOfBackend, portolanError, type Snapshot } from '@portolan/model';
import { Edit } from './edit.js';
import { refuseUsedFlannel } from './references.js';
import { bySubnet, resolveFlannel } from './resolve-flannel.js';

/**
 * Sets the flannel network of the cluster; null removes it: it leaves as long as our nodes may hold subnets of it, and is gone at once
 * when none takes part. Pointers begin at the spec. The same snapshot when nothing changes.
 *
 * Throws `unknown-reference` of a reservation, `immutable-field` of another prefix, `in-use` while the network leaves or endpoints that
 * are to stay are in it, `subnet-overlap`, `address-outside-network` where the chosen address of an endpoint is no longer inside, and
 * `unsupported-combination` where its UDP port is that of the overlays. With `version`, `precondition-failed` unless it is the network's.
 */
export function setFlannel(snapshot: Snapshot, spec: FlannelSpec | null, version?: number): Snapshot {
  const { flannel } = snapshot;
  if (version !== undefined && version !== flannel?.version) {
    const found = flannel === null ? 'there is no flannel network' : `the flannel network has version ${flannel.version}, not ${version}`;
    throw portolanError('precondition-failed', '', found);
  }
  const edit = new Edit(snapshot);
  resolveFlannel(edit, spec, '');
  refuseUsedFlannel(edit);
  return edit.result();
}

/** The network as a spec: setting it again changes nothing. What a person left out is left out, so that the registry stays as it was meant. */
export function flannelSpecOf(flannel: Flannel, nodes: Snapshot['nodes']): FlannelSpec {
  const { prefix, network, subnetLen, subnetMin, subnetMax, backend, masquerade, cni, reservations, registry } = flannel;
  return {
    prefix,
    network,
    ...(subnetLen === null ? {} : { subnetLen }),
    ...(subnetMin === null ? {} : { subnetMin }),
    ...(subnetMax === null ? {} : { subnetMax }),
    backend,
    masquerade,
    cni,
    ...(reservations.length === 0
      ? {}
      : { reservations: [...reservations].sort(bySubnet).map(({ nodeId, subnet }) => ({ node: nodes.get(nodeId)?.name ?? nodeId, subnet })) }),
    ...(Object.keys(registry).length === 0 ? {} : { registry }),
  };
}

/**
 * Notes what the registry holds; endpoints get addresses from the subnets of their nodes. The same snapshot when nothing is new, and
 * without a flannel network.
 */
export function observeRegistry(snapshot: Snapshot, leases: ReadonlyMap<string, FlannelLease>): Snapshot {
  const { flannel, flannelLeases, cluster } = snapshot;
  if (flannel === null) return snapshot;
  const seen = new Map<string, FlannelLease>();
  let changes = leases.size !== flannelLeases.size;
  for (const [key, lease] of leases) {
    const known = flannelLeases.get(key);
    const same = known !== undefined && isSameLease(known, lease);
    // What did not change stays the same object: the difference is made by identity.
    seen.set(key, same ? known : lease);
    changes ||= !same;
  }
  if (!changes) return snapshot;
  // The version is that of what people set: who changes it must not be refused because a lease came meanwhile.
  const noted = { ...flannel, leasesRevision: cluster.revision + 1 };
  return podAddresses({ ...snapshot, flannel: noted, flannelLeases: seen }, snapshot);
}

/**
 * Drops earlier backends that nothing uses any more, and, with `left`, the network that was leaving. Paths that are chosen (again) and
 * a network that does not leave stay. The same snapshot when nothing is done.
 */
export function finishFlannel(snapshot: Snapshot, { retired, left }: { readonly retired: readonly FlannelPath[]; readonly left: boolean }): Snapshot {
  const { flannel } = snapshot;
  if (flannel === null) return snapshot;
  if (left && flannel.leaving) return { ...snapshot, flannel: null, flannelLeases: new Map() };
  const retiring = flannel.retiring.filter((backend) => !retired.includes(pathOfBackend(backend)));
  return retiring.length === flannel.retiring.length ? snapshot : { ...snapshot, flannel: { ...flannel, retiring } };
}
