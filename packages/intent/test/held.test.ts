import { checkSnapshot } from '@portolan/check';
import { applyManifest, manifestOf, observeNode, observeRegistry, patchNoun, setConditions } from '@portolan/intent';
import { type Endpoint, type FlannelLease, heldSnapshot, type Node, type Snapshot } from '@portolan/model';
import { emptySnapshot, sampleSnapshot, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { live, lives, NOW } from './lives.js';

/** Snapshots of a life with themselves, with the next and with the last. */
function eachPair(each: (base: Snapshot, now: Snapshot) => void, numRuns = 25): void {
  fc.assert(
    fc.property(lives, (events) => {
      const all = [emptySnapshot()];
      live(events, (_before, after) => all.push(after));
      all.forEach((base, i) => {
        for (const now of new Set([base, ...all.slice(i + 1, i + 2), ...all.slice(-1)])) each(base, now);
      });
    }),
    { numRuns },
  );
}

describe('what is held of an earlier revision', () => {
  it('is what was wanted then, sound, and with the revision of then', () => {
    eachPair((base, now) => {
      const held = heldSnapshot(base, now);
      expect(manifestOf(held)).toEqual(manifestOf(base));
      expect(held.cluster).toBe(base.cluster);
      expect(held.retired).toBe(now.retired);
      // What was given up since is still in use here: that is what holding means.
      expect(checkSnapshot(held).filter(({ severity, code }) => severity === 'block' && code !== 'still-held')).toEqual([]);
    }, 10);
  });

  it('is itself when nothing was seen since, and shares what did not change', () => {
    let shared = 0;
    eachPair((base, now) => {
      const held = heldSnapshot(base, now);
      expect(heldSnapshot(held, now)).toBe(held);
      if (now === base) expect(held).toBe(base);
      for (const collection of ['nodes', 'endpoints'] as const) {
        let same = true;
        for (const [id, was] of base[collection]) {
          const own: Node | Endpoint | undefined = held[collection].get(id);
          if (own === was) shared++;
          else expect(own).not.toEqual(was);
          same &&= own === was;
        }
        expect(held[collection] === base[collection]).toBe(same);
        expect([...held[collection].keys()]).toEqual([...base[collection].keys()]);
      }
      expect([held.networks === base.networks, held.services === base.services, held.flannel === base.flannel]).toEqual([true, true, true]);
    });
    expect(shared).toBeGreaterThan(100);
  });

  it('has what is seen now of all that is there in both', () => {
    let followed = 0;
    eachPair((base, now) => {
      const held = heldSnapshot(base, now);
      for (const [id, own] of held.nodes) {
        const [was, is] = [base.nodes.get(id), now.nodes.get(id)];
        if (is === undefined || is.underlayMtu === null) expect(own.underlayMtu).toBe(was?.underlayMtu);
        else expect([own.underlayMtu, own.underlayLink, own.onLink]).toEqual([is.underlayMtu, is.underlayLink, is.onLink]);
        if (is !== undefined && is.condition !== 'unknown') expect(own.condition).toBe(is.condition);
      }
      for (const [id, own] of held.endpoints) {
        const [was, is] = [base.endpoints.get(id), now.endpoints.get(id)];
        if (is === undefined) expect([own.presence, own.health]).toEqual(['unknown', 'unknown']);
        else if (is.presence !== 'unknown') {
          expect(own.presence).toBe(is.presence);
          if (is.health !== 'unknown') expect(own.health).toBe(is.health);
          if (is.presence !== was?.presence) followed++;
        }
        expect(own.drain === null).toBe(was?.drain === null);
      }
    });
    expect(followed).toBeGreaterThan(10);
  });
});

describe('what is held', () => {
  const base = sampleSnapshot();
  const node1 = [...base.nodes.values()].find(({ name }) => name === 'node1');
  const web = [...base.endpoints.values()].find(({ name }) => name === 'bjdt_bjdt-dzwl-web.1');
  if (node1 === undefined || web === undefined) throw new Error('the sample is another');
  const checked = patchNoun(base, 'service', 'bjdt_bjdt-dzwl-web', { healthCheck: { kind: 'tcp', port: 80 } });
  const healthy = observeNode(checked, node1.id, { presence: {}, health: { [web.id]: 'healthy' } });
  const seen = (snapshot: Snapshot) => {
    const own = snapshot.endpoints.get(web.id);
    return [own?.presence, own?.health];
  };

  it('goes on being served while another attachment or another check has not been seen', () => {
    const moved = patchNoun(healthy, 'endpoint', web.name, { attachment: { netns: null, pid: 4711 } });
    expect(seen(moved)).toEqual(['unknown', 'unknown']);
    expect(seen(heldSnapshot(healthy, moved))).toEqual(['present', 'healthy']);
    const probed = patchNoun(healthy, 'service', 'bjdt_bjdt-dzwl-web', { healthCheck: { port: 81 } });
    expect(seen(probed)).toEqual(['present', 'unknown']);
    expect(seen(heldSnapshot(healthy, probed))).toEqual(['present', 'healthy']);
    expect(seen(heldSnapshot(healthy, observeNode(probed, node1.id, { presence: {}, health: { [web.id]: 'unhealthy' } })))).toEqual(['present', 'unhealthy']);
  });

  it('is not served when its namespace went, and came back without a probe', () => {
    const absent = observeNode(healthy, node1.id, { presence: { [web.id]: 'absent' }, health: {} });
    expect(seen(heldSnapshot(healthy, absent))).toEqual(['absent', 'unknown']);
    const back = observeNode(absent, node1.id, { presence: { [web.id]: 'present' }, health: {} });
    expect(seen(heldSnapshot(healthy, back))).toEqual(['present', 'unknown']);
  });

  it('knows of a host at another address what is known of the host, and of its interface what was', () => {
    const moved = setConditions(patchNoun(base, 'node', 'node1', { address: '172.16.130.9' }), new Map([[node1.id, 'unreachable']]));
    const held = heldSnapshot(base, moved).nodes.get(node1.id);
    expect(held).toMatchObject({ address: node1.address, condition: 'unreachable', underlayMtu: 1500, underlayLink: 'eth0', onLink: node1.onLink });
    expect(heldSnapshot(base, patchNoun(base, 'node', 'node1', { address: '172.16.130.9' }))).toBe(base);
  });

  it('has the end of a drain that it has itself', () => {
    const drain = { revision: 1, deadline: 5, removes: true, drained: false };
    const at = (own: Endpoint['drain']): Snapshot => ({ ...base, endpoints: new Map([...base.endpoints, [web.id, { ...web, drain: own }]]) });
    const held = (was: Endpoint['drain'], is: Endpoint['drain']) => heldSnapshot(at(was), at(is)).endpoints.get(web.id)?.drain;
    expect(held(drain, { ...drain, drained: true, deadline: 9 })).toEqual({ ...drain, drained: true });
    expect(held(drain, null)).toBe(drain);
    expect(held(null, drain)).toBeNull();
    expect(held(drain, { ...drain, revision: 2, drained: true })).toBe(drain);
  });
});

describe('what is held of a flannel network', () => {
  const pod = (name: string, node: string) => ({ name, node, attachment: { pid: 4000 }, flannel: {} });
  const base = applyManifest(
    emptySnapshot(),
    {
      nodes: [{ name: 'a', address: '172.16.0.1' }],
      flannel: { network: '10.244.0.0/16', backend: { type: 'vxlan' }, cni: false },
      endpoints: [pod('p1', 'a'), pod('p2', 'a')],
    },
    seededIds(1),
    { now: NOW },
  );
  const nodeId = [...base.nodes.keys()][0] ?? '';
  const leased = (snapshot: Snapshot, subnet: string): Snapshot => {
    const key = subnet.replace('/', '-');
    const lease: FlannelLease = {
      key,
      subnet,
      publicAddress: '172.16.0.1',
      backendType: 'vxlan',
      vni: 1,
      vtepMac: '02:00:00:00:00:01',
      nodeId,
      reserved: false,
      fault: null,
    };
    return observeRegistry(snapshot, new Map([[key, lease]]));
  };
  const addresses = ({ endpoints }: Snapshot) => Object.fromEntries([...endpoints.values()].map(({ name, flannel }) => [name, flannel?.address]));

  it('follows the leases, and the addresses that they give', () => {
    const [before, after] = [leased(base, '10.244.1.0/24'), leased(base, '10.244.2.0/24')];
    const held = heldSnapshot(before, after);
    expect(held.flannelLeases).toBe(after.flannelLeases);
    expect(addresses(before)).toEqual({ p1: '10.244.1.2', p2: '10.244.1.3' });
    expect(addresses(held)).toEqual({ p1: '10.244.2.2', p2: '10.244.2.3' });
  });

  it('never has an address twice', () => {
    const before = leased(patchNoun(base, 'endpoint', 'p1', { flannel: { address: '10.244.2.3' } }), '10.244.1.0/24');
    const after = leased(patchNoun(before, 'endpoint', 'p1', { flannel: { address: '10.244.2.9' } }), '10.244.2.0/24');
    expect(addresses(after)).toEqual({ p1: '10.244.2.9', p2: '10.244.2.2' });
    expect(addresses(heldSnapshot(before, after))).toEqual({ p1: '10.244.2.3', p2: '10.244.2.2' });
    const third = leased(patchNoun(before, 'endpoint', 'p1', { flannel: { address: '10.244.2.2' } }), '10.244.2.0/24');
    expect(addresses(third)).toEqual({ p1: '10.244.2.2', p2: '10.244.2.3' });
    expect(addresses(heldSnapshot(before, third))).toEqual({ p1: '10.244.2.3', p2: addresses(before).p2 });
  });

  it('keeps its leases when the network is gone meanwhile, and reads none where it had no network', () => {
    const before = leased(base, '10.244.1.0/24');
    const gone: Snapshot = { ...before, flannel: null, flannelLeases: new Map() };
    expect(heldSnapshot(before, gone).flannelLeases).toBe(before.flannelLeases);
    expect(heldSnapshot(gone, before).flannelLeases.size).toBe(0);
  });
});
