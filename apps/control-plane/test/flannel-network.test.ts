import { describe, expect, it } from 'vitest';
import { cluster, example, foreignLease, host, nodeA, openFlannelStage, plain, quietAgents, settledStage } from './flannel-stage.js';
import { runAgents } from './simulated-agent.js';
import { eventually, type Json } from './test-plane.js';

const macOne = '9a:00:00:00:00:01';
const macTwo = '9a:00:00:00:00:02';

describe('a change of backend', () => {
  it('goes node by node: a lease changes when its node has applied it, and the old way goes last', async () => {
    const stage = await settledStage(example);
    const { plane, registry, status } = stage;
    const types = async (): Promise<readonly unknown[]> =>
      Object.values(await registry.values()).map((value) => (JSON.parse(value) as { BackendType?: string }).BackendType ?? 'udp');
    expect(await types()).toEqual(['vxlan', 'vxlan']);
    for (const type of ['host-gw', 'udp'] as const) {
      const changed = await plane.send('PUT', `${cluster}/flannel?wait=applied&timeout=20`, { ...example.flannel, backend: { type } });
      expect(changed).toMatchObject({ status: 200, body: { backend: { type } } });
      expect(await types()).toEqual([type, type]);
      await eventually(async () => expect(await status()).toMatchObject({ phase: 'active', switching: null, spec: { backend: { type } } }));
    }
    await eventually(async () => expect((await status()).leases).toMatchObject([{ kernel: { device: 'flannel0', inSync: true } }, {}]));
  });

  it('tells whom it waits for, and a wait that is over does too', async () => {
    const stage = await openFlannelStage();
    const { plane, registry, status } = stage;
    const [a, b] = quietAgents(stage, 'node-a', 'node-b');
    await plane.send('PUT', `${cluster}/manifest`, example);
    const applied = async (...agents: readonly (typeof a)[]): Promise<void> => {
      const { revision } = (await plane.send('GET', cluster)).body;
      await eventually(async () => {
        for (const agent of agents) await agent?.sync();
        const { nodes } = (await plane.send('GET', `${cluster}/status`)).body;
        for (const agent of agents) {
          const node = (nodes as unknown as { name: string; appliedRevision: number }[]).find(({ name }) => name === agent?.node);
          expect(node?.appliedRevision).toBeGreaterThanOrEqual(Number(revision));
        }
      });
    };
    await applied(a, b);
    await eventually(async () => expect(Object.keys(await registry.values())).toHaveLength(2));
    await applied(a, b);
    registry.put('10.244.3.0-24', foreignLease('172.16.130.150', macOne));
    await eventually(async () => expect((await status()).leases).toHaveLength(3));
    const late = await plane.send('PUT', `${cluster}/flannel?wait=applied&timeout=0.3`, { ...example.flannel, backend: { type: 'host-gw' } });
    expect(late.status).toBe(504);
    expect(late.body.detail).toMatch(/node-a has not applied revision \d+, so its lease is still of vxlan\/1/);
    expect(await status()).toMatchObject({
      phase: 'switching',
      switching: { from: ['vxlan/1'], to: 'host-gw' },
      waitsFor: { nodes: ['node-a', 'node-b'], foreign: ['172.16.130.150'] },
    });
    await applied(a);
    await eventually(async () => expect(JSON.parse((await registry.values())['10.244.1.0-24'] ?? '')).toMatchObject({ BackendType: 'host-gw' }));
    expect(JSON.parse((await registry.values())['10.244.2.0-24'] ?? '')).toMatchObject({ BackendType: 'vxlan' });
    await applied(a, b);
    await eventually(async () => expect(JSON.parse((await registry.values())['10.244.2.0-24'] ?? '')).toMatchObject({ BackendType: 'host-gw' }));
    await applied(a, b);
    await eventually(async () => expect(await status()).toMatchObject({ phase: 'switching', waitsFor: { nodes: [], foreign: ['172.16.130.150'] } }));
    await registry.expire('10.244.3.0-24');
    await eventually(async () => {
      await a?.sync();
      await b?.sync();
      expect(await status()).toMatchObject({ phase: 'active' });
    });
    expect((await stage.commits())[0]).toBe('vxlan/1 is used by nobody any more');
  });
});

describe('a registry that is there', () => {
  it('is adopted with its leases; ours stay where they are', async () => {
    const stage = await openFlannelStage();
    const { plane, registry, owners } = stage;
    await registry.configure('{"Network":"10.244.0.0/16","SubnetLen":24,"Backend":{"Type":"vxlan","DirectRouting":true}}');
    registry.put('10.244.17.0-24', foreignLease(nodeA, macOne));
    registry.put('10.244.18.0-24', foreignLease('172.16.130.150', macTwo));
    await runAgents(plane, 'lab', ['node-a', 'node-b'], host);
    await plane.send('PUT', `${cluster}/manifest`, { nodes: example.nodes });
    expect((await plane.send('POST', `${cluster}/flannel/adopt`, { prefix: '/nothing' })).body).toMatchObject({ code: 'not-found', path: '/prefix' });
    const adopted = await plane.send('POST', `${cluster}/flannel/adopt?wait=applied&timeout=20`, {});
    expect(adopted).toMatchObject({ status: 200, body: { network: '10.244.0.0/16', subnetLen: 24, backend: { type: 'vxlan', directRouting: true } } });
    await eventually(async () => {
      expect(await owners()).toMatchObject({ 'node-a': '10.244.17.0/24', '172.16.130.150': '10.244.18.0/24', 'node-b': expect.any(String) });
    });
    expect(await plane.send('POST', `${cluster}/flannel/adopt`, {})).toMatchObject({ status: 409, body: { code: 'in-use' } });
  });

  it('belongs to one cluster', async () => {
    const { plane } = await settledStage(example);
    await plane.send('POST', '/v1/clusters', { name: 'other' });
    const refused = { status: 409, body: { code: 'in-use', detail: expect.stringContaining('cluster lab') } };
    expect(await plane.send('PUT', '/v1/clusters/other/flannel', plain.flannel)).toMatchObject(refused);
    expect(await plane.send('PUT', '/v1/clusters/other/manifest', plain)).toMatchObject({ ...refused, body: { path: '/flannel/prefix' } });
    expect((await plane.send('PUT', '/v1/clusters/other/flannel', { ...plain.flannel, prefix: '/other/network' })).status).toBe(200);
  });
});

describe('the flannel network', () => {
  it('leaves: our entries go, the configuration with the last entry', async () => {
    const { plane, registry } = await settledStage(plain);
    registry.put('10.244.3.0-24', foreignLease('172.16.130.150', macOne));
    expect((await plane.send('DELETE', `${cluster}/flannel?wait=applied&timeout=20`)).status).toBe(204);
    expect((await plane.send('GET', `${cluster}/flannel`)).status).toBe(404);
    expect(Object.keys(await registry.values())).toEqual(['10.244.3.0-24']);
    expect(await registry.config()).not.toBeNull();
    const { objects } = (await plane.send('GET', `${cluster}/nodes/node-a/state`)).body.state ?? {};
    expect(JSON.stringify(objects)).not.toContain('flannel');
    await registry.expire('10.244.3.0-24');
    expect((await plane.send('PUT', `${cluster}/flannel?wait=applied&timeout=20`, plain.flannel)).status).toBe(200);
    expect((await plane.send('DELETE', `${cluster}/flannel?wait=applied&timeout=20`)).status).toBe(204);
    expect(await registry.values()).toEqual({});
    expect(await registry.config()).toBeNull();
  });

  it('goes with its cluster: nothing of ours is left in the registry', async () => {
    const { plane, registry } = await settledStage(example);
    registry.put('10.244.3.0-24', foreignLease('172.16.130.150', macOne));
    expect((await plane.send('DELETE', cluster)).status).toBe(204);
    expect(Object.keys(await registry.values())).toEqual(['10.244.3.0-24']);
  });

  it('is set, guarded, tried and refused with a code', async () => {
    const { plane } = await settledStage(plain);
    const read = await plane.send('GET', `${cluster}/flannel`);
    expect(read.headers.etag).toBe(`"${read.body.version}"`);
    expect((await plane.send('PUT', `${cluster}/flannel`, read.body)).headers.etag).toBe(read.headers.etag);
    const dry = await plane.send('PUT', `${cluster}/flannel?dryRun=true`, { ...plain.flannel, backend: { type: 'udp' } });
    expect(dry.body.backend).toEqual({ type: 'udp' });
    expect((await plane.send('GET', `${cluster}/flannel`)).body).toEqual(read.body);
    expect((await plane.send('PUT', `${cluster}/flannel`, plain.flannel, { 'if-match': '"999"' })).status).toBe(412);
    expect((await plane.send('PUT', `${cluster}/flannel`, { ...plain.flannel, prefix: '/other' })).body).toMatchObject({
      code: 'immutable-field',
      path: '/prefix',
    });
    expect((await plane.send('PUT', `${cluster}/flannel`, { network: '10.244.0.0/16' })).status).toBe(400);
    expect((await plane.send('GET', '/v1/clusters/none/flannel')).status).toBe(404);
    const manifest = await plane.send('PUT', `${cluster}/manifest?dryRun=true`, { flannel: { ...plain.flannel, backend: { type: 'host-gw' } } });
    expect(manifest.body).toMatchObject({ changed: true, changes: [{ action: 'change', kind: 'flannel', name: '10.244.0.0/16' }] });
    expect((await plane.send('GET', `${cluster}/manifest`)).body.flannel).toMatchObject({ network: '10.244.0.0/16', backend: { type: 'vxlan' } });
  });

  it('is the same over GraphQL', async () => {
    const { plane } = await settledStage(example);
    const ask = async (query: string): Promise<Json> => {
      const { body } = await plane.send('POST', '/graphql', { query });
      expect(body.errors).toBeUndefined();
      return (body as unknown as { data: Json }).data;
    };
    const data = await ask(`{ cluster(name: "lab") {
      flannel {
        version leaving spec network prefix backend { type vni port } masquerade cni reservations { node { name } subnet }
        leases { key subnet node { name } foreign publicAddress backendType vni vtepMac reserved fault }
        status(node: "node-a") { phase etcd spec switching { from to } waitsFor { nodes foreign }
          leases { key node reserved secondsLeft kernel { inSync device wanted found differing relay } appliedRevision } }
      }
      nodes { name underlayLink onLink flannelLease { subnet } }
      endpoints { name flannel { address fixed } }
    } }`);
    const rest = (await plane.send('GET', `${cluster}/flannel`)).body;
    const { version, leaving, ...spec } = rest as unknown as Record<string, unknown>;
    const restStatus = (await plane.send('GET', `${cluster}/flannel/status?node=node-a`)).body;
    expect(data.cluster?.flannel).toMatchObject({ version, leaving, spec, reservations: [{ node: { name: 'node-a' }, subnet: '10.244.1.0/24' }, {}] });
    expect(restStatus).toMatchObject(data.cluster?.flannel?.status as unknown as object);
    expect(data.cluster).toMatchObject({
      flannel: { leases: [{ node: { name: 'node-a' }, foreign: false, reserved: true }, { node: { name: 'node-b' } }] },
      nodes: [{ ...{ underlayLink: host.underlayLink, onLink: host.onLink }, flannelLease: { subnet: '10.244.1.0/24' } }, {}],
      endpoints: [{ flannel: { address: '10.244.1.96', fixed: true } }, { flannel: { fixed: false } }],
    });
    const set = await ask(
      'mutation { setFlannel(cluster: "lab", spec: {network: "10.244.0.0/16", backend: {type: "host-gw"}}, wait: true) { changed cluster { flannel { backend { type } } } } }',
    );
    expect(set.setFlannel).toEqual({ changed: true, cluster: { flannel: { backend: { type: 'host-gw' } } } });
    await plane.send('PUT', `${cluster}/manifest?force=true`, { endpoints: [] });
    expect((await ask('mutation { deleteFlannel(cluster: "lab", wait: true) { changed } }')).deleteFlannel).toEqual({ changed: true });
    expect(
      (await ask('mutation { setFlannel(cluster: "lab", spec: {network: "10.245.0.0/16", backend: {type: "udp", port: 8286}}) { revision } }')).setFlannel,
    ).toBeDefined();
  });
});
