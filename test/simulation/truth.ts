import { type Id, parseCidr, type Snapshot, subnetsOf, subnetsOverlap } from '@portolan/model';
import type { KernelObject, Origin } from '@portolan/node-state';
import type { DesiredState, Report } from '@portolan/protocol';
import type { ComputedState, NodeProgress, OutboxMessage } from '@portolan/store';
import type { SimulatedHost } from './host.js';
import { Violation } from './violation.js';

interface ComputedNode {
  /** Generations by the hash of their state: what is wanted may come back to what it was. */
  readonly generations: Map<string, Set<number>>;
  /** Hash of the state by the revision that it was computed from. */
  readonly hashes: Map<number, string>;
}

/** A value that somebody has, as it is given to one holder at a time. */
type Claims = ReadonlyMap<string, string>;

/**
 * What really happened, as nobody in the simulated world knows it, and the promises that must hold at every step. It is told of every effect
 * and breaks off with a `Violation`.
 */
export class Truth {
  readonly #computed = new Map<Id, ComputedNode>();
  readonly #accepted = new Map<string, { readonly nodeId: Id; readonly generation: number }>();
  readonly #reached = new Map<string, Set<string>>();
  /** Of each node: what was said by each report that arrived, and the last one that was answered. */
  readonly #said = new Map<Id, Map<number, string>>();
  readonly #latest = new Map<Id, number>();
  readonly #publishedJobs = new Set<string>();
  first: Violation | undefined;

  /** Breaks off at the next look of the simulation, wherever it is called from. */
  refute(invariant: string, detail: string): void {
    this.first ??= new Violation(invariant, detail);
  }

  isPublished(jobId: string): boolean {
    return this.#publishedJobs.has(jobId);
  }

  published(messages: readonly OutboxMessage[]): void {
    for (const { hint } of messages) this.#publishedJobs.add(hint.jobId);
  }

  computed(revision: number, states: readonly ComputedState[], progress: readonly NodeProgress[]): void {
    const rows = new Map(progress.map((row) => [row.nodeId, row]));
    for (const { nodeId } of states) {
      const row = rows.get(nodeId);
      if (row === undefined) continue;
      const node = this.#computed.get(nodeId) ?? { generations: new Map<string, Set<number>>(), hashes: new Map<number, string>() };
      this.#computed.set(nodeId, node);
      node.generations.set(row.stateHash, (node.generations.get(row.stateHash) ?? new Set<number>()).add(row.generation));
      if (row.computedRevision === revision) node.hashes.set(revision, row.stateHash);
    }
  }

  /** A report reaches a control plane: `said` grows from each report of an agent to its next one. */
  said(nodeId: Id, said: number, { status, errors, waiting, signals }: Report): void {
    const known = this.#said.get(nodeId) ?? new Map<number, string>();
    this.#said.set(nodeId, known.set(said, JSON.stringify([status, errors, waiting, signals])));
  }

  /** A control plane has answered a report; `progress` is what is known of the node by then. */
  reported(name: string, { nodeId, lastStatus, lastErrors, lastWaiting, signals }: NodeProgress, said: number): void {
    const latest = Math.max(said, this.#latest.get(nodeId) ?? 0);
    this.#latest.set(nodeId, latest);
    // Something newer may have been saved that is not answered yet.
    const held = JSON.stringify([lastStatus, lastErrors, lastWaiting, signals]);
    const possible = this.#said.get(nodeId) ?? new Map<number, string>();
    for (const when of possible.keys()) if (when < latest) possible.delete(when);
    if (said < latest && lastStatus !== null && ![...possible.values()].includes(held))
      this.refute("a late report takes no newer one's place", `${name}: what it said ${latest - said} reports before`);
  }

  /** A state is the one that an agent goes by from now on. */
  accepted(host: string, nodeOf: Id | undefined, { state, generation: told }: Pick<DesiredState, 'state' | 'generation'>): void {
    // The node that the state was made for, whatever the agent was told.
    const owner = [...this.#computed].find(([, { generations }]) => generations.has(state.hash));
    if (owner === undefined) return;
    const [nodeId, { generations }] =
      nodeOf === undefined || !this.#computed.get(nodeOf)?.generations.has(state.hash) ? owner : [nodeOf, this.#computedOf(nodeOf)];
    const possible = generations.get(state.hash) ?? new Set<number>();
    const generation = possible.has(told) ? told : Math.max(...possible);
    const before = this.#accepted.get(host);
    if (before?.nodeId === nodeId && generation < before.generation) {
      this.refute('generations never go back', `${host} accepted generation ${generation} after ${before.generation}`);
    }
    this.#accepted.set(host, { nodeId, generation });
  }

  #computedOf(nodeId: Id): ComputedNode {
    return this.#computed.get(nodeId) ?? { generations: new Map(), hashes: new Map() };
  }

  /** The kernel of a host held all that a state wants. */
  reached(host: string, stateHash: string): void {
    const reached = this.#reached.get(host) ?? new Set();
    this.#reached.set(host, reached.add(stateHash));
  }

  /** `hosts`: by name of the node. */
  progressed({ nodes }: Snapshot, progress: readonly NodeProgress[]): void {
    for (const { nodeId, appliedRevision, computedRevision } of progress) {
      const name = nodes.get(nodeId)?.name;
      if (name === undefined || appliedRevision === 0) continue;
      if (appliedRevision > computedRevision)
        this.refute('applied never exceeds computed', `${name} has applied ${appliedRevision}, computed ${computedRevision}`);
      const hash = this.#computed.get(nodeId)?.hashes.get(appliedRevision);
      if (hash !== undefined && this.#reached.get(name)?.has(hash) !== true) {
        this.refute(
          'applied never exceeds what the kernel holds',
          `${name} counts as having applied revision ${appliedRevision}, of which its kernel never held the state ${hash}`,
        );
      }
    }
  }

  /** Looks at a new snapshot: nothing is held twice, and nothing is given to somebody for whom another one's kernel objects are still there. */
  committed(before: Snapshot, after: Snapshot, hosts: readonly SimulatedHost[]): void {
    if (after.cluster.revision !== before.cluster.revision + 1) {
      this.refute('revisions have no gaps', `${before.cluster.revision} was followed by ${after.cluster.revision}`);
    }
    const { revision } = after.cluster;
    const held = this.#claimsOf(before);
    const claims = this.#claimsOf(after);
    refuteOverlaps(this, after);
    const given = [...claims].filter(([value, owner]) => held.get(value) !== owner);
    if (given.length === 0) return;
    const members = new Map([...after.nodes.values()].map(({ id, name }) => [name, id]));
    for (const host of hosts) {
      const nodeId = members.get(host.name);
      if (nodeId === undefined || host.desired?.nodeId !== nodeId) continue;
      const kept = host.holdings(nodeId);
      for (const [value, owner] of given) {
        const other = kept.get(value);
        if (other !== undefined && other !== owner) {
          this.refute(
            'nothing is given again while a node holds it',
            `${value} was given to ${owner} at revision ${revision}, but the kernel of ${host.name} has it for ${other}`,
          );
        }
      }
    }
  }

  #claimsOf(snapshot: Snapshot): Claims {
    const claims = new Map<string, string>();
    const claim = (value: string, owner: string): void => {
      if (claims.has(value))
        this.refute('nothing is held twice', `${value} is held by ${claims.get(value)} and by ${owner} at revision ${snapshot.cluster.revision}`);
      claims.set(value, owner);
    };
    const place = (id: Id): string => placeOf(id.slice(0, SPACE_ID));
    for (const network of snapshot.networks.values()) {
      for (const { vni, gateway } of subnetsOf(network)) {
        claim(`vni ${vni}`, `network ${network.name}`);
        claim(`address ${gateway} in ${placeOf(network.id.slice(0, SPACE_ID))}`, `network ${network.name}`);
      }
    }
    for (const node of snapshot.nodes.values()) {
      for (const { networkId, address } of node.loadBalancers) claim(`address ${address} in ${place(networkId)}`, `node ${node.name}`);
    }
    for (const service of snapshot.services.values()) {
      for (const { networkId, address, mark, localMark } of service.networks) {
        if (address !== null) claim(`address ${address} in ${place(networkId)}`, `service ${service.name}`);
        for (const value of [mark, localMark]) if (value !== null) claim(`mark ${value}`, `service ${service.name}`);
      }
    }
    for (const endpoint of snapshot.endpoints.values()) {
      const service = endpoint.serviceId === null ? undefined : snapshot.services.get(endpoint.serviceId)?.name;
      for (const { networkId, address } of endpoint.addresses) {
        claim(`address ${address} in ${place(networkId)}`, service === undefined ? `endpoint ${endpoint.name}` : `service ${service}`);
      }
    }
    return claims;
  }
}

function refuteOverlaps(truth: Truth, { networks, cluster }: Snapshot): void {
  const subnets = [...networks.values()].flatMap((network) => subnetsOf(network).map(({ subnet }) => ({ name: network.name, subnet: parseCidr(subnet) })));
  for (const [i, a] of subnets.entries()) {
    for (const b of subnets.slice(i + 1)) {
      if (subnetsOverlap(a.subnet, b.subnet)) truth.refute('no subnet twice', `subnets of ${a.name} and ${b.name} overlap at revision ${cluster.revision}`);
    }
  }
}

/** So much of the id of a network is in the name of the namespace that balances for it. */
const SPACE_ID = 9;

/** A network, which is another one when it was deleted and made again under its name. */
function placeOf(idBegins: string): string {
  return `network ${idBegins}`;
}

/** What an object in a kernel holds, and for whom, in the words of `Truth`. The sandbox of the ingress network does not tell which one it is of. */
export function holdingsOf(
  { space, body }: Pick<KernelObject, 'space' | 'body'>,
  { network, service, endpoint }: Origin,
): readonly (readonly [value: string, owner: string])[] {
  const owner = service !== undefined ? `service ${service}` : endpoint !== undefined ? `endpoint ${endpoint}` : `network ${network ?? ''}`;
  const at = space.startsWith('own:lb_') ? placeOf(space.slice('own:lb_'.length)) : undefined;
  switch (body.kind) {
    case 'vxlan':
      return [[`vni ${body.vni}`, `network ${network ?? ''}`]];
    case 'virtual-server':
      return [[`mark ${body.mark}`, owner]];
    case 'real-server':
      return at === undefined ? [] : [[`address ${body.address} in ${at}`, owner]];
    case 'mark':
      return at !== undefined && body.match.stage === 'input' ? [[`address ${body.match.destination} in ${at}`, owner]] : [];
    default:
      return [];
  }
}
