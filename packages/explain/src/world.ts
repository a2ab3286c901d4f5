import { type Cidr, type Id, type Ipv4, type Node, portolanError, type Snapshot } from '@portolan/model';
import type { NodeState, ObjectBody, ObservedObject, Origin, Space } from '@portolan/node-state';
import type { ObjectRef, View } from './explanation.js';

/** One thing in a kernel, as the walk reads it. */
export interface Thing {
  readonly key: string;
  readonly space: Space;
  readonly kind: ObjectBody['kind'];
  /** null: something is there, but it is damaged, or what it says is not known; the walk takes it for not working. */
  readonly body: ObjectBody | null;
  /** null: no state wants it. */
  readonly origin: Origin | null;
}

/** A rule that is not ours and takes packets before ours see them, as the agent told it. */
export interface Obstruction {
  readonly space: Space;
  /** As iptables calls it, with its table: `filter/FORWARD`. */
  readonly chain: string;
  readonly text: string;
}

/** Such a rule as an object, though no state has it. */
export function refOfObstruction(node: string, { space, chain }: Obstruction): ObjectRef {
  return { node, key: `obstructed/${space}/${chain}`, kind: 'rule-entry', origin: null };
}

export interface HostKernel {
  readonly node: string;
  readonly nodeId: Id;
  /** On the underlay. */
  readonly address: Ipv4;
  /** Interface with that address; null before the first report. */
  readonly underlayLink: string | null;
  readonly underlayMtu: number | null;
  /** Subnets that the host reaches without a gateway. */
  readonly onLink: readonly Cidr[];
  /** Nobody answers there. */
  readonly unreachable: boolean;
  /** Its bridges show packets to iptables before they come to the IP stack (br_netfilter, which Docker loads). */
  readonly filtersBridged: boolean;
  readonly things: readonly Thing[];
  /** Names of endpoints whose namespace is not there. */
  readonly absentEndpoints: ReadonlySet<Id>;
  readonly obstructions: readonly Obstruction[];
}

/** The kernels of a cluster. Hosts are made when a packet first comes there, so a walk through a large cluster costs no more than its hosts. */
export interface World {
  readonly view: View;
  readonly snapshot: Snapshot;
  /** undefined: nothing is known of it. Throws `not-found` for a node that is not in the snapshot. */
  host(node: string): HostKernel | undefined;
}

/** What an agent last said of a kernel. */
export interface Sight {
  readonly objects: readonly ObservedObject[];
  readonly obstructions: readonly Obstruction[];
}

/** What no state says of a host, such as what its kernel is like. */
export type Traits = Pick<HostKernel, 'filtersBridged'>;
const usualTraits: Traits = { filtersBridged: false };

/** The kernels as they should be. `stateOf` and `traitsOf` are asked once for each host that a packet comes to. */
export function desiredWorld(snapshot: Snapshot, stateOf: (node: Node) => NodeState, traitsOf: (node: Node) => Traits | undefined = () => undefined): World {
  return worldOf('desired', snapshot, traitsOf, (node) => {
    const { objects } = stateOf(node);
    return {
      things: objects.map(({ key, space, body, origin }) => ({ key, space, kind: body.kind, body, origin })),
      absentEndpoints: new Set(),
      obstructions: [],
    };
  });
}

/**
 * The kernels as the agents last saw them. A rule is known by its comment only: one with the hash of what is wanted says what is wanted, another one is
 * damaged. `sightOf` answers undefined for a host that has never reported.
 */
export function observedWorld(
  snapshot: Snapshot,
  stateOf: (node: Node) => NodeState,
  sightOf: (node: Node) => Sight | undefined,
  traitsOf: (node: Node) => Traits | undefined = () => undefined,
): World {
  return worldOf('observed', snapshot, traitsOf, (node) => {
    const sight = sightOf(node);
    if (sight === undefined) return undefined;
    const wanted = new Map(stateOf(node).objects.map((object) => [object.key, object]));
    return {
      things: sight.objects.map(({ key, space, kind, hash, body }): Thing => {
        const known = wanted.get(key);
        // Without a hash it is damaged, whatever was read of it: a link that is down.
        const seen = hash === '' ? null : body;
        return { key, space, kind, body: seen ?? (known?.hash === hash ? known.body : null), origin: known?.origin ?? null };
      }),
      absentEndpoints: absentOn(snapshot, node, sight.objects),
      obstructions: sight.obstructions,
    };
  });
}

/**
 * Agents call an endpoint absent, too, that has lost some of what it needs. The namespace is there where anything of ours was seen in it but sysctls,
 * which every namespace has.
 */
function absentOn(snapshot: Snapshot, node: Node, seen: Sight['objects']): ReadonlySet<Id> {
  const spaces = new Set<string>(seen.filter(({ kind }) => kind !== 'sysctl').map(({ space }) => space));
  const absent = [...snapshot.endpoints.values()].filter(({ nodeId, presence }) => nodeId === node.id && presence === 'absent');
  return new Set(absent.filter(({ id }) => !spaces.has(`endpoint:${id}`)).map(({ id }) => id));
}

type Seen = Pick<HostKernel, 'things' | 'absentEndpoints' | 'obstructions'>;

function worldOf(view: View, snapshot: Snapshot, traitsOf: (node: Node) => Traits | undefined, seenOn: (node: Node) => Seen | undefined): World {
  const nodes = new Map([...snapshot.nodes.values()].map((node) => [node.name, node]));
  const hosts = new Map<string, HostKernel | undefined>();
  return {
    view,
    snapshot,
    host(name) {
      const node = nodes.get(name);
      if (node === undefined) throw portolanError('not-found', '', `there is no node ${name} in cluster ${snapshot.cluster.name}`);
      if (!hosts.has(name)) {
        const seen = seenOn(node);
        hosts.set(name, seen === undefined ? undefined : { ...hostOf(node), ...usualTraits, ...traitsOf(node), ...seen });
      }
      return hosts.get(name);
    },
  };
}

function hostOf({ name, id, address, underlayLink, underlayMtu, onLink, condition }: Node): Omit<HostKernel, keyof Seen | keyof Traits> {
  return { node: name, nodeId: id, address, underlayLink, underlayMtu, onLink, unreachable: condition === 'unreachable' };
}
