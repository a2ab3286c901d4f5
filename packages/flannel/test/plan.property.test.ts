import { type Node, parseCidr, type Snapshot, subnetsOverlap } from '@portolan/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLease, registryPlan } from '../src/index.js';
import { ModelRegistry, mirroredIn, nodeOf, snapshotOf, vxlanValue } from './fixtures/network.js';

const nobody: ReadonlySet<string> = new Set();
/** Of a network with 15 subnets. */
const network = '10.5.0.0/20';
const addressOf = (host: number): string => `10.0.0.${host}`;

/** What happens to a registry, with our nodes n0 … n7 at 10.0.0.0 … and foreign hosts from 10.0.0.100 on. */
type Event =
  | { readonly kind: 'agents'; readonly present: readonly boolean[] }
  | { readonly kind: 'readdress'; readonly node: number; readonly host: number }
  | { readonly kind: 'flanneld'; readonly host: number; readonly subnet: number; readonly length: number }
  | { readonly kind: 'garbage'; readonly subnet: number }
  | { readonly kind: 'expire'; readonly subnet: number }
  | { readonly kind: 'reserve'; readonly node: number; readonly subnet: number }
  | { readonly kind: 'reconcile' };

const small = fc.integer({ min: 0, max: 15 });
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Event>({ kind: 'reconcile' }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('agents' as const), present: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('readdress' as const), node: fc.nat(7), host: fc.integer({ min: 20, max: 40 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('flanneld' as const),
      host: fc.integer({ min: 100, max: 105 }),
      subnet: small,
      length: fc.constantFrom(24, 24, 25, 22),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('garbage' as const), subnet: small }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const), subnet: small }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reserve' as const), node: fc.nat(7), subnet: fc.integer({ min: 1, max: 15 }) }) },
);

/** A cluster whose registry things happen to. */
class World {
  readonly registry = new ModelRegistry();
  snapshot: Snapshot = snapshotOf({ network }, []);

  happen(happening: Event): void {
    const { registry } = this;
    if (happening.kind === 'reconcile') this.reconcile();
    else if (happening.kind === 'agents') this.#setNodes(happening.present.flatMap((present, i) => (present ? [this.#node(i)] : [])));
    else if (happening.kind === 'readdress') {
      const taken = [...this.snapshot.nodes.values()].some(({ address }) => address === addressOf(happening.host));
      const id = `n${happening.node}`;
      if (!taken && this.snapshot.nodes.has(id))
        this.#setNodes([...this.snapshot.nodes.values()].map((node) => (node.id === id ? nodeOf(id, addressOf(happening.host)) : node)));
    } else if (happening.kind === 'flanneld')
      this.#flanneldTakes(happening.host, `10.5.${happening.subnet - (happening.length === 22 ? happening.subnet % 4 : 0)}.0-${happening.length}`);
    else if (happening.kind === 'garbage') registry.put(`10.5.${happening.subnet}.0-24`, 'garbage');
    else if (happening.kind === 'expire') registry.delete(`10.5.${happening.subnet}.0-24`);
    else if (this.snapshot.flannel !== null) {
      const { reservations } = this.snapshot.flannel;
      const subnet = `10.5.${happening.subnet}.0/24`;
      const others = reservations.filter((reservation) => reservation.nodeId !== `n${happening.node}` && reservation.subnet !== subnet);
      this.snapshot = { ...this.snapshot, flannel: { ...this.snapshot.flannel, reservations: [...others, { nodeId: `n${happening.node}`, subnet }] } };
    }
  }

  /** One round of the control plane; answers whether there was something to do. */
  reconcile(): boolean {
    const plan = registryPlan(this.snapshot, this.registry.view(), nobody);
    expect(this.registry.apply(plan)).toBe(true);
    this.snapshot = mirroredIn(this.snapshot, this.registry);
    return plan.config !== null || plan.writes.length + plan.removes.length > 0;
  }

  /** Rounds until there is nothing to do; at most ten are tried. */
  settle(): number {
    for (let rounds = 0; rounds < 10; rounds += 1) if (!this.reconcile()) return rounds;
    return 10;
  }

  #node(i: number): Node {
    return this.snapshot.nodes.get(`n${i}`) ?? nodeOf(`n${i}`, addressOf(i));
  }

  #setNodes(nodes: readonly Node[]): void {
    this.snapshot = { ...this.snapshot, nodes: new Map(nodes.map((node) => [node.id, node])) };
  }

  /** flanneld gives itself only what overlaps nothing. */
  #flanneldTakes(host: number, key: string): void {
    const wanted = parseCidr(key.replace('-', '/'));
    const isFree = [...this.registry.view().subnets.values()].every(({ key: other }) => !subnetsOverlap(wanted, parseCidr(other.replace('-', '/'))));
    if (isFree) this.registry.put(key, vxlanValue(addressOf(host)));
  }
}

/** Entries of two hosts that overlap; what cannot be read has no host. */
function sharedSubnets(registry: ModelRegistry): string[] {
  const entries = [...registry.view().subnets.values()].map(readLease).filter(({ publicAddress }) => publicAddress !== null);
  return entries.flatMap((a) =>
    entries
      .filter((b) => a.key < b.key && a.publicAddress !== b.publicAddress && a.subnet !== null && b.subnet !== null)
      .filter((b) => subnetsOverlap(parseCidr(a.subnet ?? ''), parseCidr(b.subnet ?? '')))
      .map((b) => `${a.key} and ${b.key}`),
  );
}

const foreignOf = (registry: ModelRegistry): unknown[] => [...registry.view().subnets.values()].filter(({ value }) => value.includes('"10.0.0.10'));

describe('whatever happens to a registry', () => {
  it('no subnet has two owners, no foreign entry is touched, and it comes to rest with a subnet for each node that can have one', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const world = new World();
        for (const happening of events) {
          const foreign = foreignOf(world.registry);
          world.happen(happening);
          expect(sharedSubnets(world.registry)).toEqual([]);
          if (happening.kind === 'reconcile') expect(foreignOf(world.registry)).toEqual(foreign);
        }
        // What one round removes, the next may give.
        expect(world.settle()).toBeLessThanOrEqual(3);
        const { full } = registryPlan(world.snapshot, world.registry.view(), nobody);
        const owners = [...world.snapshot.flannelLeases.values()].flatMap(({ nodeId }) => (nodeId === null ? [] : [nodeId]));
        expect([...owners, ...full].sort()).toEqual([...world.snapshot.nodes.keys()].sort());
      }),
      { numRuns: 300 },
    );
  });

  it('of two control planes with old views none gives what the other gave, and both come to rest together', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 10 }), fc.array(event, { maxLength: 6 }), fc.array(event, { maxLength: 6 }), (before, between, after) => {
        const world = new World();
        for (const happening of before) world.happen(happening);
        const old = registryPlan(world.snapshot, world.registry.view(), nobody);
        for (const happening of between) world.happen(happening);
        const late = registryPlan(world.snapshot, world.registry.view(), nobody);
        for (const happening of after) world.happen(happening);
        // They may lose; that must do no harm. flanneld's subnets of other lengths have other keys, which no comparison sees.
        world.registry.apply(old);
        world.registry.apply(late);
        const ofOurs = new Set([...world.snapshot.nodes.values()].map(({ address }) => address));
        const owners = [...world.registry.view().subnets.values()]
          .map(readLease)
          .filter(({ publicAddress }) => publicAddress !== null && ofOurs.has(publicAddress));
        expect(new Set(owners.map(({ subnet }) => subnet)).size).toBe(owners.length);
        expect(world.settle()).toBeLessThanOrEqual(4);
      }),
      { numRuns: 300 },
    );
  });

  it('a node that returns gets its subnet back: its agent, its lease, its entry in the intent', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(7), { minLength: 1, maxLength: 8 }), fc.nat(7), fc.constantFrom('lease', 'agent', 'registry'), (ids, which, lost) => {
        const world = new World();
        const nodes = ids.map((i) => nodeOf(`n${i}`, addressOf(i)));
        world.snapshot = snapshotOf({ network }, nodes);
        world.reconcile();
        const leases = world.snapshot.flannelLeases;
        const [key = ''] = [...leases].find(([, { nodeId }]) => nodeId === `n${ids[which % ids.length]}`) ?? [];
        if (lost === 'lease') world.registry.delete(key);
        else if (lost === 'registry') for (const each of leases.keys()) world.registry.delete(each);
        else
          world.snapshot = snapshotOf(
            { network },
            [...nodes.slice(0, which), ...nodes.slice(which).map((node) => ({ ...node, id: `again-${node.id}` }))],
            [...leases.values()],
          );
        world.settle();
        const subnets = (of: Snapshot): unknown[] =>
          [...of.flannelLeases.values()].map(({ publicAddress, subnet, vtepMac }) => [publicAddress, subnet, vtepMac]);
        expect(subnets(world.snapshot)).toEqual(subnets({ ...world.snapshot, flannelLeases: leases }));
      }),
    );
  });

  it('a network of five thousand nodes is planned at once', () => {
    const nodes = Array.from({ length: 5_000 }, (_, i) => nodeOf(`n${i}`, `10.1.${i >> 8}.${i & 255}`));
    const registry = new ModelRegistry();
    const snapshot = snapshotOf({ network: '10.32.0.0/11' }, nodes);
    const plan = registryPlan(snapshot, registry.view(), nobody);
    expect([new Set(plan.writes.map(({ key }) => key)).size, plan.full]).toEqual([5_000, []]);
    registry.apply(plan);
    const begun = performance.now();
    const again = registryPlan(mirroredIn(snapshot, registry), registry.view(), nobody);
    expect([again.writes, again.removes, again.config]).toEqual([[], [], null]);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
