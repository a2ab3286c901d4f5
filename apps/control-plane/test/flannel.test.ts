import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/index.js';
import { cluster, example, foreignLease, host, nodeA, nodeB, openFlannelStage, plain, settledStage } from './flannel-stage.js';
import { ScriptedRegistry } from './scripted-registry.js';
import { runAgents } from './simulated-agent.js';
import { eventually, type Json } from './test-plane.js';

const macOne = '9a:00:00:00:00:01';
const macTwo = '9a:00:00:00:00:02';

describe('subnets', () => {
  it("of the study's example are written as reservations, and each container has its address", async () => {
    const { plane, registry, status } = await settledStage(example);
    const values = await registry.values();
    expect(Object.keys(values).sort()).toEqual(['10.244.1.0-24', '10.244.2.0-24']);
    expect(JSON.parse(values['10.244.1.0-24'] ?? '')).toEqual({
      PublicIP: nodeA,
      PublicIPv6: null,
      BackendType: 'vxlan',
      BackendData: { VNI: 1, VtepMAC: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/) },
    });
    expect(await registry.config()).toEqual({ Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } });
    const { items } = (await plane.send('GET', `${cluster}/endpoints`)).body;
    expect(items).toMatchObject([
      { name: 'a.1', flannel: { address: '10.244.1.96' }, flannelAddress: '10.244.1.96' },
      { name: 'b.1', flannel: {}, flannelAddress: expect.stringMatching(/^10\.244\.2\./) },
    ]);
    await eventually(async () => {
      expect(await status()).toMatchObject({
        phase: 'active',
        etcd: true,
        waitsFor: { nodes: [], foreign: [] },
        spec: { subnetLen: 24, subnetMin: '10.244.1.0', subnetMax: '10.244.255.0', backend: { type: 'vxlan', vni: 1, port: 8472 } },
        leases: [
          { node: 'node-a', subnet: '10.244.1.0/24', publicAddress: nodeA, reserved: true, secondsLeft: null, kernel: { inSync: true, device: 'flannel.1' } },
          { node: 'node-b', subnet: '10.244.2.0/24', publicAddress: nodeB, reserved: true, foreign: false, fault: null, reason: null },
        ],
      });
    });
    const again = await plane.send('PUT', `${cluster}/manifest`, (await plane.send('GET', `${cluster}/manifest`)).body);
    expect(again.body).toMatchObject({ changed: false });
  });

  it('without reservations have a time to live, and are renewed at the start', async () => {
    const { registry, status } = await settledStage(plain);
    const { leases } = await status();
    expect(leases).toMatchObject([
      { reserved: false, secondsLeft: expect.any(Number) },
      { reserved: false, secondsLeft: expect.any(Number) },
    ]);
    await eventually(() => expect(new Set(registry.renewed.flat()).size).toBe(2));
  });

  it('are renewed once an hour, whatever becomes of the time of day, but not those of a host that is unreachable', async () => {
    const clock = { hours: 0, ...systemClock, monotonic: (): number => clock.hours * 3_600_000 };
    const { plane, registry, status } = await settledStage(plain, { clock });
    await eventually(() => expect(new Set(registry.renewed.flat()).size).toBe(2));
    const poke = (): void => registry.put('10.244.200.0-24', foreignLease('172.16.130.150', macOne));
    registry.renewed.length = 0;
    clock.hours = 0.9;
    poke();
    await eventually(async () => expect((await status()).leases).toHaveLength(3));
    await plane.store.commit('lab', { actor: 'test', summary: 'node-b is unreachable' }, (snapshot) => {
      const nodes = [...snapshot.nodes].map(([id, node]) => [id, node.name === 'node-b' ? { ...node, condition: 'unreachable' as const } : node] as const);
      return { ...snapshot, nodes: new Map(nodes) };
    });
    expect(registry.renewed).toEqual([]);
    clock.hours = 1.1;
    poke();
    await eventually(() => expect(registry.renewed).toEqual([[expect.any(String)]]));
    expect((await plane.app.inject('/metrics')).body).toContain('portolan_flannel_lease_seconds_left{cluster="lab"} 86400');
  });

  it('that somebody else took first are given elsewhere', async () => {
    const registry = new ScriptedRegistry();
    let stolen: string | undefined;
    registry.beforeWrite = (key) => {
      if (stolen !== undefined) return;
      stolen = key;
      registry.put(key, foreignLease('172.16.130.150', macOne));
    };
    const { plane, owners } = await settledStage(plain, { registry });
    const held = await owners();
    expect(Object.keys(held).sort()).toEqual(['172.16.130.150', 'node-a', 'node-b']);
    expect(held['172.16.130.150']).toBe(stolen?.replace('-24', '/24'));
    expect(new Set(Object.values(held)).size).toBe(3);
    expect((await plane.app.inject('/metrics')).body).toMatch(/portolan_flannel_registry_conflicts_total\{cluster="lab"\} [1-9]/);
  });

  it('run out, and the status says so; the next is given when one becomes free', async () => {
    const nodes = [1, 2, 3, 4].map((number) => ({ name: `n${number}`, address: `172.16.130.${number}` }));
    const { plane, status, owners } = await settledStage({ nodes, flannel: { network: '10.5.0.0/28', backend: { type: 'host-gw' } } });
    const { leases } = await status();
    const without = (leases as unknown as { key: string | null; node: string; reason: string | null }[]).filter(({ key }) => key === null);
    expect(without).toMatchObject([{ reason: 'no subnet of 10.5.0.0/28 is free' }]);
    const holder = Object.keys(await owners())[0];
    expect((await plane.send('DELETE', `${cluster}/nodes/${holder}`)).status).toBe(204);
    await eventually(async () => expect(Object.keys(await owners()).sort()).toEqual(nodes.map(({ name }) => name).filter((name) => name !== holder)));
  });
});

describe('a foreign node', () => {
  it('comes, changes its MAC, and goes when its lease ends: each is one commit', async () => {
    const { registry, status, commits, plane } = await settledStage(example);
    registry.put('10.244.3.0-24', foreignLease('172.16.130.150', macOne));
    const row = async (): Promise<Json | undefined> => ((await status()).leases as unknown as Json[]).find(({ foreign }) => foreign as unknown as boolean);
    await eventually(async () => expect(await row()).toMatchObject({ key: '10.244.3.0-24', node: null, publicAddress: '172.16.130.150', vtepMac: macOne }));
    registry.put('10.244.3.0-24', foreignLease('172.16.130.150', macTwo));
    await eventually(async () => expect(await row()).toMatchObject({ vtepMac: macTwo, kernel: null, appliedRevision: null }));
    expect((await plane.app.inject('/metrics')).body).toContain('portolan_flannel_leases{cluster="lab",owner="foreign"} 1');
    await registry.expire('10.244.3.0-24');
    await eventually(async () => expect(await row()).toBeUndefined());
    expect((await commits()).slice(0, 3)).toEqual([
      'lease 10.244.3.0-24 of 172.16.130.150 (foreign) went',
      'lease 10.244.3.0-24 of 172.16.130.150 (foreign) changed',
      'lease 10.244.3.0-24 of 172.16.130.150 (foreign) came',
    ]);
  });

  it('that only renews its lease makes no commit', async () => {
    const { registry, plane, status } = await settledStage(example);
    registry.put('10.244.3.0-24', foreignLease('172.16.130.150', macOne));
    await eventually(async () => expect((await status()).leases).toHaveLength(3));
    const before = (await plane.send('GET', cluster)).body.revision;
    registry.put('10.244.3.0-24', foreignLease('172.16.130.150', macOne));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await plane.send('GET', cluster)).body.revision).toBe(before);
  });

  it('is one of many: a thousand that come at once are one commit', async () => {
    const { registry, status, commits } = await settledStage({ ...plain, flannel: { network: '10.128.0.0/9', backend: { type: 'vxlan' } } });
    const before = (await commits()).length;
    registry.setReachable(false);
    for (let number = 0; number < 1000; number++) {
      const [high, low] = [number >> 8, number & 0xff];
      registry.put(`10.${200 + high}.${low}.0-24`, foreignLease(`172.17.${high}.${low}`, macOne));
    }
    registry.setReachable(true);
    await eventually(async () => expect((await status()).leases).toHaveLength(1002));
    expect((await commits()).length - before).toBe(1);
    expect((await commits())[0]).toMatch(/^lease 10\.200\.0\.0-24 of 172\.17\.0\.0 \(foreign\) came, .* and 997 more$/);
  });

  it('with an entry that cannot be read is shown with its fault, and harms nobody', async () => {
    const { registry, status, owners } = await settledStage(plain);
    const before = await owners();
    registry.put('10.244.77.0-24', '{"PublicIP":');
    await eventually(async () => {
      const row = ((await status()).leases as unknown as Json[]).find(({ key }) => (key as unknown) === '10.244.77.0-24');
      expect(row).toMatchObject({ foreign: false, node: null, fault: expect.any(String) });
    });
    expect(await owners()).toMatchObject(before);
  });
});

describe('after a loss', () => {
  it('of etcd nothing changes, and a change of the network waits; empty it gets our leases again, with the same subnets', async () => {
    const { plane, registry, owners, status } = await settledStage(plain);
    const before = await owners();
    const values = await registry.values();
    const revision = (await plane.send('GET', cluster)).body.revision;
    await registry.lose();
    await eventually(async () => expect(await status()).toMatchObject({ etcd: false, leases: [{ secondsLeft: null }, { secondsLeft: null }] }));
    expect(await owners()).toEqual(before);
    expect((await plane.send('GET', cluster)).body.revision).toBe(revision);
    const late = await plane.send('PUT', `${cluster}/flannel?wait=applied&timeout=0.3`, { ...plain.flannel, masquerade: false });
    expect(late).toMatchObject({ status: 504, body: { code: 'wait-timeout', detail: expect.stringContaining('etcd does not answer') } });
    registry.setReachable(true);
    await eventually(async () => expect(await registry.values()).toEqual(values));
    expect(await registry.config()).toEqual({ Network: '10.244.0.0/16', Backend: { Type: 'vxlan' } });
    expect(await owners()).toEqual(before);
  });

  it('of what PostgreSQL had since: the registry is mirrored again, and nobody is moved', async () => {
    const { plane, registry, owners } = await settledStage(plain);
    registry.put('10.244.9.0-24', foreignLease('172.16.130.150', macOne));
    await eventually(async () => expect(Object.keys(await owners())).toHaveLength(3));
    const [before, values] = [await owners(), await registry.values()];
    await plane.store.commit('lab', { actor: 'test', summary: 'restored from a backup' }, (snapshot) => ({ ...snapshot, flannelLeases: new Map() }));
    await plane.send('PATCH', `${cluster}/nodes/node-a`, { labels: { poked: 'yes' } });
    await eventually(async () => expect(await owners()).toEqual(before));
    expect(await registry.values()).toEqual(values);
  });

  it('of all that PostgreSQL had: nodes with the same addresses have their subnets', async () => {
    const first = await settledStage(plain);
    const [before, values] = [await first.owners(), await first.registry.values()];
    await first.plane.stop();
    const second = await settledStage(plain, { registry: first.registry });
    expect(await second.owners()).toEqual(before);
    expect(Object.keys(await second.registry.values())).toEqual(Object.keys(values));
  });
});

describe('several control planes', () => {
  it('give every node one subnet, and mirror each change once', async () => {
    const one = await openFlannelStage();
    const two = await openFlannelStage({ registry: one.registry, store: one.plane.store, coordination: one.plane.coordination });
    const nodes = Array.from({ length: 12 }, (_none, at) => ({ name: `n${at}`, address: `172.16.131.${at + 1}` }));
    await runAgents(
      one.plane,
      'lab',
      nodes.map(({ name }) => name),
      host,
    );
    await one.plane.send('PUT', `${cluster}/manifest`, { nodes, flannel: plain.flannel });
    await eventually(async () => expect(Object.keys(await two.owners())).toHaveLength(12), 15_000);
    one.registry.put('10.244.200.0-24', foreignLease('172.16.130.150', macOne));
    await eventually(async () => expect(Object.keys(await two.owners())).toHaveLength(13));
    expect(Object.keys(await one.registry.values())).toHaveLength(13);
    const came = (await one.commits()).filter((summary) => summary.includes('10.244.200.0-24'));
    expect(came).toEqual(['lease 10.244.200.0-24 of 172.16.130.150 (foreign) came']);
  });
});
