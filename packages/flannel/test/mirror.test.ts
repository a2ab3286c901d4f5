import { describe, expect, it } from 'vitest';
import { leasesOf, readLease } from '../src/index.js';
import { ModelRegistry, mirroredIn, nodeOf, snapshotOf, vxlanValue } from './fixtures/network.js';

const n1 = nodeOf('n1', '10.0.0.1');
const n2 = nodeOf('n2', '10.0.0.2');

describe('the mirror of the registry', () => {
  it('says which node of ours has an entry, by its public address, and leaves the others to themselves', () => {
    const registry = new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1')).put('10.5.9.0-24', vxlanValue('10.0.0.9')).put('10.5.8.0-24', 'garbage');
    const leases = leasesOf(snapshotOf({}, [n1, n2]), registry.view());
    expect([...leases.values()].map(({ key, nodeId }) => [key, nodeId])).toEqual([
      ['10.5.7.0-24', 'n1'],
      ['10.5.8.0-24', null],
      ['10.5.9.0-24', null],
    ]);
  });

  it('is the same object while nothing changes, and has the same objects where nothing changed', () => {
    const registry = new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1')).put('10.5.9.0-24', vxlanValue('10.0.0.9'));
    const snapshot = mirroredIn(snapshotOf({}, [n1]), registry);
    // A renewal of flanneld: the same value at a new revision, by a new lease.
    registry.put('10.5.9.0-24', vxlanValue('10.0.0.9'), '8');
    expect(leasesOf(snapshot, registry.view())).toBe(snapshot.flannelLeases);
    registry.put('10.5.9.0-24', vxlanValue('10.0.0.9', 'ae:6d:aa:23:37:d0'));
    const after = leasesOf(snapshot, registry.view());
    expect(after.get('10.5.7.0-24')).toBe(snapshot.flannelLeases.get('10.5.7.0-24'));
    expect(after.get('10.5.9.0-24')).toMatchObject({ vtepMac: 'ae:6d:aa:23:37:d0' });
  });

  it('has one entry a node: that of the mirror, else the lowest; the others have a fault', () => {
    const registry = new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1')).put('10.5.9.0-24', vxlanValue('10.0.0.1'));
    const owners = (before: string[]) => {
      const mirrored = before.map((key) => ({ ...readLease({ key, value: vxlanValue('10.0.0.1'), modRevision: '1', leaseId: '7' }), nodeId: 'n1' }));
      return [...leasesOf(snapshotOf({}, [n1], mirrored), registry.view()).values()].map(({ nodeId, fault }) => [nodeId, fault]);
    };
    expect(owners([])).toEqual([
      ['n1', null],
      [null, 'node n1 has another entry: 10.5.7.0-24'],
    ]);
    expect(owners(['10.5.9.0-24'])).toEqual([
      [null, 'node n1 has another entry: 10.5.9.0-24'],
      ['n1', null],
    ]);
  });

  it('keeps a lease of ours that was lost, and what a garbled one said, for they are written again', () => {
    const registry = new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1')).put('10.5.8.0-24', vxlanValue('10.0.0.2'));
    const snapshot = mirroredIn(snapshotOf({}, [n1, n2]), registry);
    expect(leasesOf(snapshot, registry.delete('10.5.7.0-24').put('10.5.8.0-24', 'garbage').view())).toBe(snapshot.flannelLeases);
    expect(leasesOf(snapshot, new ModelRegistry().view())).toBe(snapshot.flannelLeases);
  });

  it.each([
    ['its node is gone', {}, [n2], []],
    ['its node runs no agent', {}, [{ ...n1, underlayLink: null }], []],
    ['the network leaves', { leaving: true }, [n1], []],
    ['the network is another', { network: '10.6.0.0/16' }, [n1], []],
    ['somebody else has its subnet', {}, [n1], [['10.5.7.0-24', '10.0.0.9']]],
    ['somebody else has its subnet under another key', {}, [n1], [['10.5.7.0-24&fd00:5::-64', '10.0.0.9']]],
    ['its node has another', {}, [n1], [['10.5.3.0-24', '10.0.0.1']]],
    ['another node is kept its subnet', { reservations: [{ nodeId: 'n2', subnet: '10.5.7.0/24' }] }, [n1, n2], []],
  ] as const)('forgets one that was lost when %s', (_, flannel, nodes, entries) => {
    const snapshot = mirroredIn(snapshotOf({}, [n1]), new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1')));
    const registry = new ModelRegistry();
    for (const [key, address] of entries) registry.put(key, vxlanValue(address));
    const after = leasesOf({ ...snapshotOf(flannel, nodes), flannelLeases: snapshot.flannelLeases }, registry.view());
    const before = snapshot.flannelLeases.get('10.5.7.0-24');
    expect([...after.values()]).not.toContain(before);
    expect(after.size).toBe(entries.length);
  });

  it('keeps telling ours from foreign ones when the node is gone, and when its address is another', () => {
    const registry = new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1'));
    const { flannelLeases } = mirroredIn(snapshotOf({}, [n1]), registry);
    expect(leasesOf({ ...snapshotOf({}, []), flannelLeases }, registry.view())).toBe(flannelLeases);
    expect(leasesOf({ ...snapshotOf({}, [nodeOf('n1', '10.0.0.77')]), flannelLeases }, registry.view())).toBe(flannelLeases);
    // A foreign host that took the key over.
    registry.put('10.5.7.0-24', vxlanValue('10.0.0.9'));
    expect(leasesOf({ ...snapshotOf({}, []), flannelLeases }, registry.view()).get('10.5.7.0-24')?.nodeId).toBeNull();
  });

  it('is empty without a network', () => {
    const registry = new ModelRegistry().put('10.5.7.0-24', vxlanValue('10.0.0.1'));
    expect(leasesOf({ ...mirroredIn(snapshotOf({}, [n1]), registry), flannel: null }, registry.view()).size).toBe(0);
  });
});
