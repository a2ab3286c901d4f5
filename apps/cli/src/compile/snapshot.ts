import { createHash } from 'node:crypto';
import { leasesOf, registryPlan } from '@portolan/flannel';
import { applyManifest, observeRegistry, parseManifest } from '@portolan/intent';
import {
  type Cidr,
  defaultClusterSettings,
  emptySnapshotOf,
  formatIpv4,
  type Id,
  type Manifest,
  type Node,
  type NounKind,
  nounCollections,
  nounKinds,
  PortolanError,
  parseIpv4,
  type Snapshot,
} from '@portolan/model';
import { CommandFailure, exitCodes } from '../failure.js';
import type { SourceDocument } from '../manifest-file.js';

/** What a manifest does not say, and an agent would. */
export interface Assumed {
  /** Name of the cluster. */
  readonly cluster: string;
  /** The hosts' interface on the underlay. */
  readonly underlay: string;
}

const ID_LENGTH = 25;

/**
 * The cluster that a manifest makes of an empty one, as it is once everything is applied: all nodes are up and on one link, all endpoints are there and healthy. The same
 * document gives the same snapshot: ids come from kind and name. Throws what a control plane would answer, with lines of the document.
 */
export function compiledSnapshot(document: SourceDocument, assumed: Assumed): Snapshot {
  try {
    return withLeases(seen(appliedSnapshot(parseManifest(document.value), assumed.cluster), assumed.underlay));
  } catch (error) {
    if (!(error instanceof PortolanError)) throw error;
    throw new CommandFailure(exitCodes.refused, error.message, error.problems[0].fix, error.problems, { cause: error }).at(document.locate);
  }
}

function appliedSnapshot(manifest: Manifest, name: string): Snapshot {
  const cluster = { id: idOf('cluster', name), name, settings: defaultClusterSettings, revision: 0 };
  const apply = (ids: (n: number) => Id): Snapshot => {
    let count = 0;
    return applyManifest(emptySnapshotOf(cluster), manifest, () => ids(count++), { now: 0 });
  };
  // Who gets which id is known when it is given: so the first time by number, and the second by name.
  const numbered = (n: number): Id => idOf('cluster', `${name}/${n}`);
  const first = apply(numbered);
  const names = new Map<Id, Id>();
  for (const kind of nounKinds) for (const noun of first[nounCollections[kind]].values()) names.set(noun.id, idOf(kind, noun.name));
  return apply((n) => names.get(numbered(n)) ?? numbered(n));
}

/** An id that is the same for the same kind and name: 25 characters of base 36. */
function idOf(kind: NounKind | 'cluster', name: string): Id {
  const digest = createHash('sha256').update(`${kind}/${name}`).digest('hex');
  return BigInt(`0x${digest}`).toString(36).slice(0, ID_LENGTH).padStart(ID_LENGTH, '0');
}

function seen(snapshot: Snapshot, underlay: string): Snapshot {
  const onLink = commonSubnet([...snapshot.nodes.values()].map(({ address }) => address));
  const nodes = [...snapshot.nodes].map(([id, node]): [Id, Node] => [id, { ...node, condition: 'up', underlayLink: underlay, onLink }]);
  const endpoints = [...snapshot.endpoints].map(([id, endpoint]) => [id, { ...endpoint, presence: 'present', health: 'healthy' }] as const);
  return { ...snapshot, nodes: new Map(nodes), endpoints: new Map(endpoints) };
}

/** The smallest subnet with all these addresses. */
function commonSubnet(addresses: readonly string[]): Cidr[] {
  const values = addresses.map((address) => parseIpv4(address));
  if (values.length === 0) return [];
  const [lowest, highest] = [Math.min(...values), Math.max(...values)];
  const prefixLength = Math.clz32((lowest ^ highest) >>> 0);
  const size = 2 ** (32 - prefixLength);
  return [`${formatIpv4(lowest - (lowest % size))}/${prefixLength}`];
}

/** The subnets of flannel's network that a control plane would give the nodes, in a registry with nothing else in it. */
function withLeases(snapshot: Snapshot): Snapshot {
  const { writes } = registryPlan(snapshot, { config: null, subnets: new Map() }, new Set(snapshot.nodes.keys()));
  const subnets = new Map(writes.map(({ key, value, reserved }) => [key, { key, value, modRevision: '1', leaseId: reserved ? null : '1' }]));
  return observeRegistry(snapshot, leasesOf(snapshot, { config: null, subnets }));
}
