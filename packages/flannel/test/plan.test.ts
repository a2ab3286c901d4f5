import type { Flannel } from '@portolan/model';
import { describe, expect, it } from 'vitest';
import { encodeConfig, encodeLease, leasesOf, type RegistryPlan, registryPlan, vtepMacOf } from '../src/index.js';
import { ModelRegistry, mirroredIn, nodeOf, plainFlannel, snapshotOf, vxlanValue } from './fixtures/network.js';

const n1 = nodeOf('n1', '10.0.0.1');
const n2 = nodeOf('n2', '10.0.0.2');
const nobody: ReadonlySet<string> = new Set();
const config = encodeConfig(plainFlannel);
const configured = (): ModelRegistry => new ModelRegistry().putConfig(config);
const written = ({ writes }: RegistryPlan): unknown[] => writes.map(({ nodeId, key, reserved }) => [nodeId, key, ...(reserved ? ['reserved'] : [])]);
const removed = ({ removes }: RegistryPlan): string[] => removes.map(({ key }) => key);
const own = (address: string, node: string, vni = 1): string => encodeLease({ publicAddress: address, path: `vxlan/${vni}`, vtepMac: vtepMacOf(node, vni) });

describe('the configuration in a plan', () => {
  it('is written where it is missing or means something else, and left where it only looks otherwise', () => {
    const snapshot = snapshotOf({}, []);
    expect(registryPlan(snapshot, new ModelRegistry().view(), nobody).config).toEqual({ value: config, seen: null });
    expect(registryPlan(snapshot, new ModelRegistry().putConfig('{"Network":"10.9.0.0/16"}').view(), nobody).config).toEqual({ value: config, seen: '2' });
    expect(registryPlan(snapshot, new ModelRegistry().putConfig('garbage').view(), nobody).config).toEqual({ value: config, seen: '2' });
    expect(registryPlan(snapshot, new ModelRegistry().putConfig('{"backend":{"type":"vxlan"},"network":"10.5.0.0/16"}').view(), nobody).config).toBeNull();
  });
});

describe('the subnet of a node', () => {
  it('is a free one among the first hundred, for nodes whose agent is there', () => {
    const plan = registryPlan(snapshotOf({}, [n1, n2, nodeOf('n3', '10.0.0.3', { underlayLink: null })]), configured().view(), nobody);
    expect(plan.writes.map(({ nodeId }) => nodeId)).toEqual(['n1', 'n2']);
    expect(new Set(plan.writes.map(({ key }) => key)).size).toBe(2);
    for (const { key, value, nodeId, seen, reserved } of plan.writes) {
      expect(Number(key.split('.')[2])).toBeLessThanOrEqual(101);
      expect({ value, seen, reserved }).toEqual({ value: own(nodeId === 'n1' ? '10.0.0.1' : '10.0.0.2', nodeId), seen: null, reserved: false });
    }
  });

  it('is that of the entry with its address, whoever wrote it, and the MAC stays', () => {
    const registry = configured().put('10.5.79.0-24', vxlanValue('10.0.0.1', '3a:c6:11:c1:b0:f0'));
    expect(registryPlan(snapshotOf({}, [n1]), registry.view(), nobody)).toEqual({ config: null, writes: [], removes: [], full: [] });
    // One of flanneld of long ago is written anew with what it said.
    registry.put('10.5.79.0-24', '{"PublicIP":"10.0.0.1","BackendType":"vxlan","BackendData":{"VtepMAC":"3a:c6:11:c1:b0:f0"}}');
    const plan = registryPlan(snapshotOf({}, [n1]), registry.view(), nobody);
    expect(plan.writes).toEqual([
      { nodeId: 'n1', key: '10.5.79.0-24', value: vxlanValue('10.0.0.1'), reserved: false, seen: registry.view().subnets.get('10.5.79.0-24') },
    ]);
  });

  it('keeps a reservation that is only in the registry', () => {
    const plan = registryPlan(snapshotOf({}, [n1]), configured().put('10.5.50.0-24', '{"PublicIP":"10.0.0.1"}', null).view(), nobody);
    expect(written(plan)).toEqual([['n1', '10.5.50.0-24', 'reserved']]);
  });

  it('is, of several entries, the mirrored one, else the lowest that fits; the others go', () => {
    const registry = configured();
    for (const key of ['10.4.0.0-24', '10.5.0.0-24', '10.5.60.0-24', '10.5.7.0-24', '10.5.8.0-25']) registry.put(key, own('10.0.0.1', 'n1'));
    const plan = registryPlan(snapshotOf({}, [n1]), registry.view(), nobody);
    expect([written(plan), removed(plan)]).toEqual([[], ['10.5.7.0-24', '10.4.0.0-24', '10.5.0.0-24', '10.5.8.0-25']]);
    const known = mirroredIn(snapshotOf({}, [n1]), new ModelRegistry().put('10.5.7.0-24', own('10.0.0.1', 'n1')));
    expect(removed(registryPlan(known, registry.view(), nobody))).toEqual(['10.5.60.0-24', '10.4.0.0-24', '10.5.0.0-24', '10.5.8.0-25']);
  });

  it('keeps its name of IPv4 where flanneld had one of both', () => {
    const registry = configured().put('10.5.59.0-24&fd00:5:0:3a::-64', vxlanValue('10.0.0.1'));
    const plan = registryPlan(snapshotOf({}, [n1]), registry.view(), nobody);
    expect([written(plan), removed(plan)]).toEqual([[['n1', '10.5.59.0-24']], ['10.5.59.0-24&fd00:5:0:3a::-64']]);
    // … unless somebody else has that name.
    registry.put('10.5.59.0-24', vxlanValue('10.0.0.9'));
    const other = registryPlan(snapshotOf({}, [n1]), registry.view(), nobody);
    expect(written(other)).not.toContainEqual(['n1', '10.5.59.0-24']);
    expect(other.writes).toHaveLength(1);
  });

  it('comes back when it was lost, before anybody else is given one', () => {
    // n0 would come first, and every node of a network with three subnets has nearly no choice.
    const flannel = { network: '10.5.0.0/22' };
    const before = new ModelRegistry();
    for (const [i, node] of [n1, n2].entries()) before.put(`10.5.${i + 1}.0-24`, vxlanValue(node.address));
    const known = mirroredIn(snapshotOf(flannel, [n1, n2]), before);
    const snapshot = { ...snapshotOf(flannel, [nodeOf('n0', '10.0.0.10'), n1, n2]), flannelLeases: known.flannelLeases };
    const plan = registryPlan(snapshot, new ModelRegistry().view(), nobody);
    expect(written(plan).sort()).toEqual([
      ['n0', '10.5.3.0-24'],
      ['n1', '10.5.1.0-24'],
      ['n2', '10.5.2.0-24'],
    ]);
    // The MAC that the peers know.
    expect(plan.writes.find(({ nodeId }) => nodeId === 'n1')?.value).toBe(vxlanValue('10.0.0.1'));
  });

  it('is held by an unreachable host until it expires, and not taken for it again', () => {
    const gone = { ...n1, condition: 'unreachable' as const };
    const there = configured().put('10.5.7.0-24', own('10.0.0.1', 'n1'));
    const held = mirroredIn(snapshotOf({}, [gone]), there);
    expect(registryPlan(held, there.view(), nobody)).toEqual({ config: null, writes: [], removes: [], full: [] });
    expect([...held.flannelLeases.values()].map(({ nodeId }) => nodeId)).toEqual(['n1']);
    expect(registryPlan(held, configured().view(), nobody).writes).toEqual([]);
    expect(leasesOf(held, configured().view()).size).toBe(0);
    const back = { ...held, nodes: new Map([[n1.id, n1]]) };
    expect(written(registryPlan(back, configured().view(), nobody))).toEqual([['n1', '10.5.7.0-24']]);
  });

  it('is another when somebody else took it meanwhile', () => {
    const known = mirroredIn(snapshotOf({}, [n1]), new ModelRegistry().put('10.5.7.0-24', own('10.0.0.1', 'n1')));
    const plan = registryPlan(known, configured().put('10.5.7.0-24', vxlanValue('10.0.0.9')).view(), nobody);
    expect(plan.writes).toHaveLength(1);
    expect(written(plan)).not.toContainEqual(['n1', '10.5.7.0-24']);
  });

  it('stays when the node changes its address, and when its value is overwritten with garbage', () => {
    const registry = configured().put('10.5.7.0-24', own('10.0.0.1', 'n1'));
    const { flannelLeases } = mirroredIn(snapshotOf({}, [n1]), registry);
    const moved = { ...snapshotOf({}, [nodeOf('n1', '10.0.0.77')]), flannelLeases };
    expect(registryPlan(moved, registry.view(), nobody).writes).toMatchObject([{ key: '10.5.7.0-24', value: own('10.0.0.77', 'n1') }]);
    registry.put('10.5.7.0-24', 'garbage');
    expect(registryPlan({ ...snapshotOf({}, [n1]), flannelLeases }, registry.view(), nobody).writes).toMatchObject([
      { key: '10.5.7.0-24', value: own('10.0.0.1', 'n1') },
    ]);
  });

  it('is none in a full network: that is said, and what cannot be read counts as taken', () => {
    const registry = configured().put('10.5.1.0-24', vxlanValue('10.0.0.9')).put('10.5.2.0-24', 'garbage').put('x/10.5.3.128-25', 'garbage');
    const plan = registryPlan(snapshotOf({ network: '10.5.0.0/22' }, [n1, n2]), registry.view(), nobody);
    expect(plan).toMatchObject({ writes: [], removes: [], full: ['n1', 'n2'] });
    // One that covers them all.
    const wide = configured().put('10.0.0.0-8', 'garbage');
    expect(registryPlan(snapshotOf({}, [n1]), wide.view(), nobody).full).toEqual(['n1']);
    expect(registryPlan(snapshotOf({ network: '10.5.0.0/22' }, [n1]), wide.view(), nobody).full).toEqual(['n1']);
  });

  it('overlaps no larger one and no smaller one', () => {
    const registry = configured().put('10.5.0.0-17', 'garbage').put('10.5.128.64-26', 'garbage');
    const plan = registryPlan(snapshotOf({ subnetMax: '10.5.129.0' }, [n1, n2]), registry.view(), nobody);
    expect([written(plan), plan.full]).toEqual([[['n1', '10.5.129.0-24']], ['n2']]);
  });
});

describe('a reservation of the intent', () => {
  const reservations: Flannel['reservations'] = [{ nodeId: 'n1', subnet: '10.5.50.0/24' }];

  it('is written for good, also while the node has no agent, and the node moves to it', () => {
    const without = snapshotOf({ reservations }, [{ ...n1, underlayLink: null }]);
    expect(written(registryPlan(without, configured().view(), nobody))).toEqual([['n1', '10.5.50.0-24', 'reserved']]);
    const registry = configured().put('10.5.7.0-24', vxlanValue('10.0.0.1'));
    const plan = registryPlan(snapshotOf({ reservations }, [n1]), registry.view(), nobody);
    expect([written(plan), removed(plan)]).toEqual([[['n1', '10.5.50.0-24', 'reserved']], ['10.5.7.0-24']]);
    expect(plan.writes[0]?.value).toBe(vxlanValue('10.0.0.1'));
  });

  it('makes a lease of that subnet one without a TTL', () => {
    const registry = configured().put('10.5.50.0-24', vxlanValue('10.0.0.1'));
    expect(registryPlan(snapshotOf({ reservations }, [n1]), registry.view(), nobody).writes).toMatchObject([
      { key: '10.5.50.0-24', value: vxlanValue('10.0.0.1'), reserved: true, seen: { leaseId: '7' } },
    ]);
  });

  it('leaves a flanneld alone that runs where there is no agent', () => {
    const registry = configured().put('10.5.50.0-24', '{"PublicIP":"10.0.0.1"}').put('10.5.51.0-24', '{"PublicIP":"10.0.0.1"}');
    const plan = registryPlan(snapshotOf({ reservations }, [{ ...n1, underlayLink: null }]), registry.view(), nobody);
    expect([plan.writes, plan.removes]).toEqual([[], []]);
  });

  it('is given to nobody else', () => {
    const snapshot = snapshotOf({ network: '10.5.48.0/22', reservations: [{ nodeId: 'gone', subnet: '10.5.50.0/24' }] }, [n1, n2, nodeOf('n3', '10.0.0.3')]);
    const plan = registryPlan(snapshot, configured().view(), nobody);
    expect(plan.writes.map(({ key }) => key).sort()).toEqual(['10.5.49.0-24', '10.5.51.0-24']);
    expect(plan.full).toEqual(['n3']);
  });

  it('that somebody else has is not written: the node keeps what it has, or gets nothing', () => {
    const registry = configured().put('10.5.50.0-24', vxlanValue('10.0.0.9'));
    const snapshot = snapshotOf({ reservations }, [n1]);
    expect(registryPlan(snapshot, registry.view(), nobody)).toMatchObject({ writes: [], full: ['n1'] });
    registry.put('10.5.7.0-24', vxlanValue('10.0.0.1'));
    expect(registryPlan(snapshot, registry.view(), nobody)).toMatchObject({ writes: [], removes: [], full: [] });
  });
});

describe('a change of backend', () => {
  const switching: Partial<Flannel> = { backend: { type: 'host-gw' }, retiring: [{ type: 'vxlan' }] };

  it('is written for a node once it has acknowledged; new nodes begin with the target', () => {
    const registry = new ModelRegistry()
      .putConfig('{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}')
      .put('10.5.7.0-24', vxlanValue('10.0.0.1'))
      .put('10.5.8.0-24', vxlanValue('10.0.0.2'));
    const snapshot = snapshotOf(switching, [n1, n2, nodeOf('n3', '10.0.0.3')]);
    const plan = registryPlan(snapshot, registry.view(), new Set(['n2']));
    expect(plan.writes.map(({ nodeId, value }) => [nodeId, value])).toEqual([
      ['n2', '{"PublicIP":"10.0.0.2","PublicIPv6":null,"BackendType":"host-gw"}'],
      ['n3', '{"PublicIP":"10.0.0.3","PublicIPv6":null,"BackendType":"host-gw"}'],
    ]);
  });

  it('keeps the old way of a lease that was lost in between', () => {
    const known = mirroredIn(snapshotOf(switching, [n1]), new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1')));
    expect(registryPlan(known, new ModelRegistry().view(), nobody).writes).toMatchObject([{ value: vxlanValue('10.0.0.1') }]);
  });

  it('waits for nobody whose way no node holds any more', () => {
    const registry = configured().put('10.5.7.0-24', vxlanValue('10.0.0.1', '3a:c6:11:c1:b0:f0', 7));
    expect(registryPlan(snapshotOf({}, [n1]), registry.view(), nobody).writes).toMatchObject([{ value: own('10.0.0.1', 'n1') }]);
  });
});

describe('entries of ours that go', () => {
  it('are those of nodes that are gone, but not one that somebody else has taken over', () => {
    const registry = configured()
      .put('10.5.7.0-24', vxlanValue('10.0.0.1'))
      .put('10.5.8.0-24', vxlanValue('10.0.0.2'))
      .put('10.5.9.0-24', vxlanValue('10.0.0.9'));
    const { flannelLeases } = mirroredIn(snapshotOf({}, [n1, n2]), registry);
    registry.put('10.5.8.0-24', vxlanValue('10.0.0.8'));
    const plan = registryPlan({ ...snapshotOf({}, []), flannelLeases }, registry.view(), nobody);
    expect([written(plan), removed(plan)]).toEqual([[], ['10.5.7.0-24']]);
  });

  it('are all when the network leaves, and the configuration with the last of anybody', () => {
    const registry = configured().put('10.5.7.0-24', vxlanValue('10.0.0.1')).put('10.5.9.0-24', vxlanValue('10.0.0.9'));
    const leaving = mirroredIn(snapshotOf({ leaving: true }, [n1, n2]), registry);
    const first = registryPlan(leaving, registry.view(), nobody);
    expect([removed(first), first.config, first.writes]).toEqual([['10.5.7.0-24'], null, []]);
    registry.delete('10.5.9.0-24');
    const last = registryPlan(leaving, registry.view(), nobody);
    expect([removed(last), last.config]).toEqual([['10.5.7.0-24'], { value: null, seen: '2' }]);
    expect(registry.apply(last)).toBe(true);
    expect(registryPlan(leaving, registry.view(), nobody)).toEqual({ config: null, writes: [], removes: [], full: [] });
  });

  it('are none where there is no network', () => {
    const registry = configured().put('10.5.7.0-24', vxlanValue('10.0.0.1'));
    expect(registryPlan({ ...snapshotOf({}, [n1]), flannel: null }, registry.view(), nobody)).toEqual({ config: null, writes: [], removes: [], full: [] });
  });
});
