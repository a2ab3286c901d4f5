import { bjdtManifest } from '@portolan/testkit';
import { beforeEach, describe, expect, it } from 'vitest';
import { runAgents, SimulatedAgent } from './simulated-agent.js';
import { eventually, type Json, startTestPlane, type TestPlane } from './test-plane.js';

const cluster = '/v1/clusters/lab';
const nodes = ['node1', 'node2', 'node3'];
/** With endpoints on node1 and node2; every node takes part in its networks. */
const service = 'bjdt_bjdt-dzwl-web';
const url = `${cluster}/services/${service}`;
let plane: TestPlane;
/** Mark in each network of the service, and the address of its endpoint in it. */
let marks: Readonly<Record<string, number>>;
let addresses: Readonly<Record<string, Readonly<Record<string, string>>>>;

interface Told {
  readonly networks: readonly { readonly network: string; readonly mark: number }[];
  readonly addresses: readonly { readonly network: string; readonly address: string }[];
}

beforeEach(async () => {
  plane = await startTestPlane();
  await plane.send('POST', '/v1/clusters', { name: 'lab' });
  await runAgents(plane, 'lab', nodes);
  await plane.send('PUT', `${cluster}/manifest`, bjdtManifest);
  await eventually(async () => {
    const { items } = (await plane.send('GET', `${cluster}/endpoints`)).body;
    expect((items as unknown as { traffic: string }[]).map(({ traffic }) => traffic)).toEqual(['all', 'all', 'all', 'all', 'all']);
  });
  const { networks } = (await plane.send('GET', url)).body as unknown as Told;
  marks = Object.fromEntries(networks.map(({ network, mark }) => [network, mark]));
  const held = async (name: string) => {
    const own = ((await plane.send('GET', `${cluster}/endpoints/${name}`)).body as unknown as Told).addresses;
    return [name, Object.fromEntries(own.map(({ network, address }) => [network, address]))] as const;
  };
  addresses = Object.fromEntries([await held(`${service}.1`), await held(`${service}.2`)]);
});

const INGRESS = 'ingress';

function server(endpoint: string, network: string, connections: number, active = 0): object {
  const space = network === INGRESS ? 'own:ingress_sbox' : 'own:lb_net';
  const counts = { connections, active, inactive: 1, inPackets: 5 * connections, outPackets: 4 * connections, inBytes: 500 * connections, outBytes: 1 };
  return { space, mark: marks[network], address: addresses[endpoint]?.[network], ...counts };
}

function tell(node: string, second: number, servers: readonly object[], more: object = {}) {
  const at = new Date(Date.UTC(2026, 10, 26, 12, 0, second)).toISOString();
  return plane.send('POST', `/v1/agents/lab/${node}/traffic`, { protocol: 4, at, servers, ...more });
}

const told = async (): Promise<Json> => (await plane.send('GET', `${url}/traffic`)).body;

describe('requests of a service', () => {
  it('are summed by backend over nodes and namespaces', async () => {
    expect(await told()).toMatchObject({
      service,
      connections: 0,
      perSecond: null,
      readAt: null,
      nodes: [],
      backends: [{ connections: 0, share: 0 }, { connections: 0 }],
    });
    const [one, two] = [`${service}.1`, `${service}.2`];
    const overlay = Object.keys(marks).find((network) => network !== INGRESS) ?? '';
    const revision = (await plane.send('GET', cluster)).body.revision;
    expect(await tell('node1', 0, [server(one, INGRESS, 10, 2), server(two, INGRESS, 10), server(one, overlay, 5, 1)])).toMatchObject({ status: 204 });
    // Of another service, and of an endpoint that is gone.
    const foreign = { ...server(one, INGRESS, 1000), mark: 77777 };
    const gone = { ...server(one, INGRESS, 1000), address: '10.255.255.254' };
    await tell('node3', 4, [server(two, INGRESS, 15, 4), foreign, gone]);
    expect(await told()).toMatchObject({
      connections: 40,
      perSecond: null,
      active: 7,
      inactive: 4,
      inPackets: 200,
      readAt: '2026-11-26T12:00:04.000Z',
      backends: [
        { endpoint: one, connections: 15, active: 3, share: 37.5 },
        { endpoint: two, connections: 25, active: 4, share: 62.5 },
      ],
      nodes: [
        {
          node: 'node1',
          connections: 25,
          active: 3,
          readAt: '2026-11-26T12:00:00.000Z',
          backends: [
            { endpoint: one, connections: 15 },
            { endpoint: two, connections: 10 },
          ],
        },
        { node: 'node3', connections: 15, active: 4, backends: [{ endpoint: two, connections: 15 }] },
      ],
    });
    // Nothing else moves by it.
    expect((await plane.send('GET', cluster)).body.revision).toBe(revision);
  });

  it('have a rate by the two newest readings; a real server that was made anew counts from 0', async () => {
    const [one, two] = [`${service}.1`, `${service}.2`];
    await tell('node1', 0, [server(one, INGRESS, 100), server(two, INGRESS, 100)]);
    await tell('node1', 10, [server(one, INGRESS, 130), server(two, INGRESS, 20)]);
    expect(await told()).toMatchObject({
      perSecond: 5,
      backends: [
        { connections: 130, perSecond: 3 },
        { connections: 20, perSecond: 2 },
      ],
    });
    await tell('node1', 20, [server(one, INGRESS, 130)]);
    expect(await told()).toMatchObject({
      perSecond: 0,
      backends: [
        { connections: 130, perSecond: 0 },
        { connections: 0, perSecond: 0, share: 0 },
      ],
    });
    // By a clock that was set back, nothing is known of the rate.
    await tell('node1', 5, [server(one, INGRESS, 140)]);
    expect(await told()).toMatchObject({ perSecond: null, connections: 140 });
  });

  it('are asked by GraphQL too, of all services with one question to the store', async () => {
    const [one] = [`${service}.1`];
    await tell('node1', 0, [server(one, INGRESS, 3, 1)]);
    let questions = 0;
    const { traffic } = plane.store;
    const counting: typeof traffic = (...asked) => {
      questions += 1;
      return traffic(...asked);
    };
    Object.assign(plane.store, { traffic: counting });
    const fields = 'connections perSecond active share endpoint { name node { name } }';
    const query = `{ cluster(name: "lab") { services { name traffic { readAt connections backends { ${fields} } nodes { node { name } readAt active backends { endpoint { name } connections } } } } } }`;
    const { data, errors } = (await plane.send('POST', '/graphql', { query })).body;
    expect(errors).toBeUndefined();
    const services = data?.cluster?.services as unknown as readonly { readonly name: string }[];
    expect(services.find(({ name }) => name === service)).toMatchObject({
      traffic: {
        readAt: '2026-11-26T12:00:00.000Z',
        connections: 3,
        backends: [
          { connections: 3, active: 1, share: 100, endpoint: { name: one, node: { name: 'node1' } } },
          { connections: 0, share: 0 },
        ],
        nodes: [{ node: { name: 'node1' }, active: 1, backends: [{ endpoint: { name: one }, connections: 3 }] }],
      },
    });
    expect(questions).toBe(1);
    // An answer is not given again after another reading.
    await tell('node1', 1, [server(one, INGRESS, 4)]);
    expect(JSON.stringify((await plane.send('POST', '/graphql', { query })).body)).toContain('"connections":4');
  });

  it('of a node that is silent are told, but not as if they were of now', async () => {
    await tell('node1', 0, [server(`${service}.1`, INGRESS, 3, 2)]);
    await tell('node1', 1, [server(`${service}.1`, INGRESS, 4, 2)]);
    const { snapshot } = plane.store;
    Object.assign(plane.store, {
      snapshot: async (name: string) => {
        const whole = await snapshot(name);
        return { ...whole, nodes: new Map([...whole.nodes].map(([id, node]) => [id, { ...node, condition: 'silent' }])) };
      },
    });
    expect(await told()).toMatchObject({ connections: 4, active: 0, perSecond: null });
  });

  it('a reading that nobody understands is refused, and what was told stays', async () => {
    const one = `${service}.1`;
    await tell('node1', 0, [server(one, INGRESS, 3)]);
    for (const [servers, more, status] of [
      [[], { protocol: 2 }, 426],
      [[], { protocol: 5 }, 426],
      [[], { surprise: 1 }, 400],
      [[{ ...server(one, INGRESS, 9), connections: -1 }], {}, 400],
      [[{ ...server(one, INGRESS, 9), connections: 1.5 }], {}, 400],
      [[{ ...server(one, INGRESS, 9), mark: 2 ** 32 }], {}, 400],
      [[], { at: 'yesterday' }, 400],
    ] as const) {
      const answer = await tell('node1', 1, servers, more);
      expect([more, answer.status]).toEqual([more, status]);
    }
    expect((await tell('nobody', 1, [])).status).toBe(404);
    expect((await plane.send('GET', `${cluster}/services/nosuch/traffic`)).status).toBe(404);
    expect(await told()).toMatchObject({ connections: 3 });
    await new SimulatedAgent(plane, 'lab', 'node1').sync();
  });
});

describe('where a service is programmed', () => {
  const programmed = async () => (await plane.send('GET', `${url}/programmed`)).body.items as unknown as readonly Json[];

  const settled = () =>
    eventually(async () => {
      const places = await programmed();
      expect(places).toHaveLength(nodes.length * Object.keys(marks).length);
      for (const place of places) {
        expect(place).toMatchObject({
          virtualServer: 'present',
          realServers: 2,
          wantedRealServers: 2,
          faults: [],
          local: false,
          mark: marks[String(place.network)],
        });
        expect(place.appliedRevision).toBe(place.computedRevision);
      }
    });

  it('is told by node and network, with what should be there and what is', async () => {
    await settled();
    expect((await programmed()).filter(({ network }) => String(network) === INGRESS)).toMatchObject(nodes.map((node) => ({ node, space: 'own:ingress_sbox' })));
    const query = `{ cluster(name: "lab") { service(name: "${service}") { programmed { node { name } network { name } space mark local virtualServer realServers wantedRealServers faults computedRevision appliedRevision } } } }`;
    const { data } = (await plane.send('POST', '/graphql', { query })).body;
    const expected = (await programmed()).map((place) => ({ ...place, node: { name: place.node }, network: { name: place.network } }));
    expect(data?.cluster?.service?.programmed).toEqual(expected);
  });

  it('names what is missing, other or too much in the kernel of a node', async () => {
    await settled();
    const agent = new SimulatedAgent(plane, 'lab', 'node2');
    const state = (await plane.send('GET', `${cluster}/nodes/node2/state`)).body as never as { state: Parameters<typeof agent.report>[0]['state'] };
    const { node2 } = { node2: { ...state, protocol: 4, nodeId: '', generation: Number((state as never as Json).generation), revision: 0 } };
    const report = agent.report(node2, Number((state as never as Json).revision));
    const ofMark = (kind: string) => `${kind}/own:ingress_sbox/${marks[INGRESS]}`;
    const [first = '', second = ''] = [1, 2].map((i) => `${ofMark('real-server')}/${addresses[`${service}.${i}`]?.[INGRESS]}`);
    const stray = `${ofMark('real-server')}/10.255.255.254`;
    const found = (report.observed.objects ?? [])
      .filter(({ key }) => key !== first)
      .map((object) => (object.key === second ? { ...object, hash: 'other' } : object));
    const observed = { hash: 'damaged', objects: [...found, { key: stray, hash: 'x', space: 'own:ingress_sbox', kind: 'real-server' }], foreign: [] };
    const since = new Date().toISOString();
    const drift = { open: [{ key: first, kind: 'missing' as const, reason: 'it is not there', since }], repaired: [] };
    expect((await plane.send('POST', '/v1/agents/lab/node2/reports', { ...report, observed, drift })).status).toBe(200);
    const at = async (node: string) => (await programmed()).find((place) => String(place.network) === INGRESS && String(place.node) === node);
    expect(await at('node2')).toMatchObject({ virtualServer: 'present', realServers: 0, wantedRealServers: 2, faults: [first, second, stray].sort() });
    expect(await at('node1')).toMatchObject({ virtualServer: 'present', realServers: 2, faults: [] });
  });

  it('is not known of a node that has never reported', async () => {
    await plane.send('POST', `${cluster}/nodes`, { name: 'node9', address: '172.16.130.99' });
    await eventually(async () => {
      expect((await programmed()).filter(({ node }) => String(node) === 'node9')).toEqual([
        expect.objectContaining({ virtualServer: 'unknown', realServers: null, wantedRealServers: 2, faults: [], appliedRevision: 0 }),
      ]);
    });
  });
});
