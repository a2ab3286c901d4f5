import { createSocket } from 'node:dgram';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Lab, programs, proveLab, startLab } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labClient, shares } from '../lab-client.js';
import { until } from '../until.js';

/**
 * One of everything that the data plane can do (examples/data-plane.yaml), on a kernel with IPVS: balancing, names, addresses of
 * clients, and endpoints that come, leave and crash under load. The tests build on one another.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const addresses = { node1: '172.16.130.140', node2: '172.16.130.164', node3: '172.16.130.170' } as const;
const machine = '172.16.130.1';

/** A name server of the outside, that knows no name. */
const outside = createSocket('udp4');
outside.on('message', (query, from) => {
  const answer = Buffer.from(query);
  // RFC 1035 §4.1.1: a response to a recursive query, NXDOMAIN.
  answer.writeUInt16BE(0x8183, 2);
  outside.send(answer, from.port, from.address);
});

let directory: string;
let lab: Lab;
const { call, inSpace } = labClient(() => lab);

interface Endpoint {
  readonly name: string;
  readonly node: string;
  readonly presence: string;
  readonly health: string;
  readonly traffic: string;
  readonly addresses: readonly { readonly network: string; readonly address: string }[];
}
const endpoint = (name: string): Promise<Endpoint> => call<Endpoint>(`/endpoints/${name}`);
async function addressIn(name: string, network: string): Promise<string> {
  return (await endpoint(name)).addresses.find((own) => own.network === network)?.address ?? '';
}

/** What the name server in the container of an endpoint answers to each name or address: addresses, names, or the code of the failure. */
async function ask(from: string, ...questions: readonly string[]): Promise<readonly (string | readonly string[])[]> {
  const { node } = await endpoint(from);
  // One after the other, by one program: to start one in a guest takes a second.
  const program = `const r = new (require('node:dns').promises.Resolver)({ timeout: 2000, tries: 1 }); r.setServers(['127.0.0.11']);
    const ask = (asked) => (require('node:net').isIP(asked) ? r.reverse(asked) : r.resolve4(asked));
    (async () => {
      const answers = [];
      for (const asked of ${JSON.stringify(questions)}) answers.push(await ask(asked).then((found) => found.sort(), ({ code }) => code));
      console.log(JSON.stringify(answers));
    })()`;
  const { stdout, stderr } = await lab.machineOf(node).run(['nsenter', `--net=/run/netns/${from}`, '--', process.execPath, '-e', program]);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as readonly (string | readonly string[])[];
}

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/e2e-'));
  lab = await startLab({ directory, manifestPath: programs.dataPlaneExample });
  await new Promise<void>((resolve) => outside.bind(53, machine, resolve));
  await call('?wait=applied', 'PATCH', { settings: { dnsServers: [machine] } });
});

afterAll(async () => {
  outside.close();
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('balancing', () => {
  it('shares 30 requests of every client to every service by its name, and to every published port of every host, within one of each other', async () => {
    const tables = await proveLab(lab, 30);
    expect(tables.flatMap(({ title, rows }) => rows.flatMap(({ label, fault }) => (fault === undefined ? [] : [`${title}: ${label}: ${fault}`])))).toEqual([]);
    expect(tables.flatMap(({ rows }) => rows).length).toBeGreaterThanOrEqual(20);
  });

  it('answers on 127.0.0.1 of every host, the port of policy local only where an endpoint is', async () => {
    for (const node of Object.keys(addresses)) {
      expect(shares(await lab.request(node, 'http://127.0.0.1:8001/', 30))).toEqual({ 'shop.1': 15, 'shop.2': 15 });
    }
    expect(shares(await lab.request('node1', 'http://127.0.0.1:8002/', 4))).toEqual({ 'shop.1': 4 });
    expect((await lab.request('node3', 'http://127.0.0.1:8002/', 1)).failures[0]).toContain('ECONNREFUSED');
  });

  it('is out of order nowhere: the whole state is in every kernel, and a second look finds nothing to do', async () => {
    for (const node of Object.keys(addresses)) {
      const { steps } = await call<{ steps: unknown[] }>(`/nodes/${node}/state?drift=true`).catch(() => ({ steps: [] }));
      expect(steps).toEqual([]);
    }
    expect(await inSpace('node1', 'ingress_sbox', 'sysctl', '-n', 'net.ipv4.ip_forward', 'net.ipv4.vs.conntrack', 'net.ipv4.vs.expire_nodest_conn')).toBe(
      '1\n1\n1\n',
    );
  });

  it('keeps a client at its endpoint where the service asks for that', async () => {
    await call('/services/shop?wait=applied', 'PATCH', { persistence: 60 });
    for (const node of Object.keys(addresses))
      expect(Object.values(shares(await lab.request('machine', `http://${addresses[node as 'node1']}:8001/`, 10)))).toEqual([10]);
    await call('/services/shop?wait=applied', 'PATCH', { persistence: 0 });
  });
});

describe('options of balancing', () => {
  const url = `http://${addresses.node3}:8001/`;

  it('are every scheduler of IPVS that is offered, and weights', async () => {
    for (const scheduler of ['wrr', 'lc', 'wlc', 'sh', 'mh', 'rr']) {
      await call('/services/shop?wait=applied', 'PATCH', { scheduler });
      const { answers, failures } = await lab.request('machine', url, 6);
      expect(failures).toEqual([]);
      if (scheduler === 'sh' || scheduler === 'mh') expect(new Set(answers.map(({ endpoint: by }) => by)).size).toBe(1);
    }
    await call('/services/shop', 'PATCH', { scheduler: 'wrr' });
    await call('/endpoints/shop.1?wait=applied', 'PATCH', { weight: 2 });
    expect(shares(await lab.request('machine', url, 30))).toEqual({ 'shop.1': 20, 'shop.2': 10 });
    await call('/endpoints/shop.1', 'PATCH', { weight: 1 });
    await call('/services/shop?wait=applied', 'PATCH', { scheduler: 'rr' });
  });

  it('are the addresses and interfaces that a port is published on', async () => {
    const { ports } = await call<{ ports: { target: number }[] }>('/services/shop');
    const publish = (change: object): Promise<unknown> =>
      call('/services/shop?wait=applied', 'PATCH', { ports: ports.map((port) => (port.target === 80 ? { ...port, ...change } : port)) });
    await publish({ addresses: [addresses.node1] });
    expect(shares(await lab.request('machine', `http://${addresses.node1}:8001/`, 2))).toEqual({ 'shop.1': 1, 'shop.2': 1 });
    expect((await lab.request('machine', url, 1)).failures[0]).toContain('ECONNREFUSED');
    await publish({ addresses: [], interfaces: ['eth1'] });
    expect(shares(await lab.request('machine', url, 2))).toEqual({ 'shop.1': 1, 'shop.2': 1 });
    expect((await lab.request('node3', 'http://127.0.0.1:8001/', 1)).failures[0]).toContain('ECONNREFUSED');
    await publish({ interfaces: [] });
    expect(shares(await lab.request('node3', 'http://127.0.0.1:8001/', 2))).toEqual({ 'shop.1': 1, 'shop.2': 1 });
  });

  it('are the timeouts of IPVS, by cluster and by network, with a warning where keep-alive comes later', async () => {
    const timeouts = async (network: string): Promise<string> => {
      const { id } = await call<{ id: string }>(`/networks/${network}`);
      return (await inSpace('node1', `lb_${id.slice(0, 9)}`, 'ipvsadm', '-l', '--timeout')).trim();
    };
    expect(await timeouts('wide')).toBe('Timeout (tcp tcpfin udp): 900 120 300');
    expect(await timeouts('backend')).toBe('Timeout (tcp tcpfin udp): 7800 120 300');
    const { items } = await call<{ items: { message: string; subject: { name: string } }[] }>('/findings');
    expect(items.filter(({ message }) => message.includes('7200') || message.includes('7,200')).map(({ subject }) => subject.name)).toEqual(['wide']);
  });
});

describe('pools', () => {
  it('tell what is used by whom, and refuse what does not fit', async () => {
    const { items } = await call<{ items: { pool: string; name: string; size: number; used: number; free: number }[] }>('/pools');
    expect(items.find(({ pool, name }) => pool === 'addresses' && name === 'wide')).toMatchObject({ size: 260 });
    await call('/networks', 'POST', { name: 'tiny', subnet: '10.9.0.0/30' });
    await call('/services', 'POST', { name: 'fits', networks: [{ network: 'tiny' }] });
    await expect(call('/services', 'POST', { name: 'too-many', networks: [{ network: 'tiny' }] })).rejects.toThrow(/pool-exhausted.*tiny.*1 gateway, 1 VIP/);
    await call('/services/fits', 'DELETE');
    await call('/networks/tiny?wait=applied', 'DELETE');
  });
});

describe('the MTU', () => {
  it('follows the smallest underlay, in every overlay of every host', async () => {
    const host = lab.hosts.get('node3');
    const setMtu = (mtu: number) => lab.machineOf('node3').run(['nsenter', `--net=${host?.netns}`, '--', 'ip', 'link', 'set', 'eth1', 'mtu', String(mtu)]);
    const { id } = await call<{ id: string }>('/networks/backend');
    const effective = async (): Promise<number> => (await call<{ effectiveMtu: number }>('/networks/backend')).effectiveMtu;
    expect(await effective()).toBe(1450);
    await setMtu(1400);
    await until('the network is narrower', 60, async () => (await effective()) === 1350);
    const { intentRevision } = await call<{ intentRevision: number }>('/status');
    await call(`/wait?revision=${intentRevision}&timeout=60`);
    const shown = await inSpace('node1', `1-${id.slice(0, 10)}`, 'ip', '-o', 'link', 'show', 'br0');
    expect(shown).toContain('mtu 1350');
    await setMtu(1500);
    await until('the network is as wide as before', 60, async () => (await effective()) === 1450);
  });
});

describe('the address of the client', () => {
  it('is the load balancer of the host with policy cluster, and the client itself with policy local', async () => {
    const cluster = await lab.request('machine', `http://${addresses.node1}:8001/`, 10);
    expect(cluster.answers.every(({ client }) => client.startsWith('10.255.'))).toBe(true);
    for (const node of ['node1', 'node2'] as const) {
      const { answers, failures } = await lab.request('machine', `http://${addresses[node]}:8002/`, 10);
      expect(failures).toEqual([]);
      expect(answers.map(({ client, node: by }) => `${client} ${by}`)).toEqual(Array(10).fill(`${machine} ${node}`));
    }
    expect((await lab.request('machine', `http://${addresses.node3}:8002/`, 1)).failures[0]).toContain('ECONNREFUSED');
  });

  it('is the client itself at a port of mode host', async () => {
    const { answers } = await lab.request('machine', `http://${addresses.node3}:9100/`, 3);
    expect(answers.map(({ client, endpoint: by }) => `${client} ${by}`)).toEqual(Array(3).fill(`${machine} exporter.1`));
    expect((await lab.request('machine', `http://${addresses.node1}:9100/`, 1)).failures[0]).toContain('ECONNREFUSED');
  });

  it('is the asking endpoint on a network with direct server return', async () => {
    const asker = await addressIn('cache.1', 'direct');
    const { answers, failures } = await lab.request('cache.1', `http://${await addressIn('cache.2', 'direct')}:8080/`, 2);
    expect(failures).toEqual([]);
    expect(answers.map(({ client }) => client)).toEqual([asker, asker]);
  });
});

describe('names', () => {
  it('lead to the VIP, to all endpoints, to one endpoint, and back', async () => {
    const { networks } = await call<{ networks: { network: string; vip: string }[] }>('/services/api');
    const api = await Promise.all(['api.1', 'api.2', 'api.3'].map((name) => addressIn(name, 'backend')));
    const search = await Promise.all(['search.1', 'search.2'].map((name) => addressIn(name, 'backend')));
    expect(await ask('shop.1', 'api', 'v1.backend', 'tasks.api', 'search', 'API.1', api[1] ?? '', 'toolbox')).toEqual([
      [networks[0]?.vip],
      [networks[0]?.vip],
      [...api].sort(),
      [...search].sort(),
      [api[0]],
      ['api.2.backend'],
      [await addressIn('toolbox', 'front')],
    ]);
    expect(await ask('toolbox', 'clock')).toEqual([[expect.any(String)]]);
  });

  it('are seen only by who shares a network', async () => {
    const strangers = [
      ['clock.1', 'api'],
      ['api.1', 'clock'],
      ['cache.1', 'store'],
    ] as const;
    expect(await Promise.all(strangers.map(([from, name]) => ask(from, name)))).toEqual(strangers.map(() => ['ENOTFOUND']));
  });

  it('are there as soon as the service is', async () => {
    await call('/services?wait=applied', 'POST', { name: 'soon', networks: [{ network: 'backend' }] });
    // The name of its endpoints is known, and has no addresses yet.
    expect(await ask('api.1', 'soon', 'tasks.soon')).toEqual([[expect.any(String)], 'ENODATA']);
    await call('/services/soon?wait=applied', 'DELETE');
    expect(await ask('api.1', 'soon')).toEqual(['ENOTFOUND']);
  });
});

describe('the way out', () => {
  it('is there for endpoints of a network that is not internal', async () => {
    const health = `${lab.apiUrl.replace('127.0.0.1', machine)}/healthz`;
    expect((await lab.request('shop.1', health, 1)).failures).toEqual([]);
    expect((await lab.request('api.1', health, 1)).failures[0]).toMatch(/ENETUNREACH|EHOSTUNREACH/);
  });
});

/** The last failure after a moment, in milliseconds; 0 when none failed. */
function lastFailure(failures: readonly { readonly at: number }[], since: number): number {
  return Math.max(0, ...failures.map(({ at }) => at - since));
}

describe('a rolling replacement of every endpoint under load', () => {
  it('fails no request, by name from inside and at a published port from outside', async () => {
    const replace = async (service: string, old: string, next: string, node: string, ...ports: string[]): Promise<void> => {
      const netns = await lab.addContainer(next, node, ...ports);
      await call('/endpoints?wait=applied&timeout=120', 'POST', { name: next, service, node, attachment: { netns } });
      await until(`${next} is sent traffic`, 60, async () => (await endpoint(next)).traffic === 'all');
      await call(`/endpoints/${old}?wait=drained&timeout=120`, 'DELETE');
      // It is safe to stop now, and it is stopped the hard way.
      await lab.removeContainer(old);
    };
    const loads = await Promise.all([lab.load('search.2', 'http://api:8080/?hold=40', 30), lab.load('machine', `http://${addresses.node3}:8001/?hold=40`, 30)]);
    // One endpoint of a service after the other, both services at once.
    const replaceApi = async (): Promise<void> => {
      for (const [i, node] of ['node1', 'node2', 'node3'].entries()) await replace('api', `api.${i + 1}`, `api.${i + 4}`, node, '8080/tcp');
    };
    const replaceShop = async (): Promise<void> => {
      for (const [i, node] of ['node1', 'node2'].entries()) await replace('shop', `shop.${i + 1}`, `shop.${i + 3}`, node, '80/tcp', '81/tcp');
    };
    // The loads end whatever happens: the tests that follow must not suffer from them.
    const outcomes = await Promise.allSettled([replaceApi(), replaceShop()]);
    const results = await Promise.all(loads.map((load) => load.stop()));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    expect(results.flatMap(({ failures }) => failures)).toEqual([]);
    expect(results.map(({ answers }) => Object.keys(answers).length)).toEqual([6, 4]);
    const [sent, seconds] = [results.reduce((sum, result) => sum + result.sent, 0), Math.max(...results.map((result) => result.seconds))];
    expect(sent / seconds).toBeGreaterThanOrEqual(50);
    console.log(`rolling replacement of 5 endpoints: ${sent} requests in ${seconds.toFixed(1)} s, 0 failed`);
  });
});

describe('a crash under load', () => {
  /** Milliseconds from the crash to the last request that failed. */
  async function crash(what: string, url: string, happen: () => Promise<number>, out: () => Promise<boolean>): Promise<number> {
    const load = await lab.load('search.2', url, 50);
    await sleep(1_000);
    const at = await happen();
    await until(`${what}: it is out`, 60, out);
    await sleep(3_000);
    const { failures, sent } = await load.stop();
    const took = lastFailure(failures, at);
    expect(failures.length).toBeLessThan(sent);
    console.log(`${what}: ${failures.length} of ${sent} requests failed, the last ${took} ms after the crash`);
    return took;
  }

  it('of a process is found by the health check', async () => {
    const took = await crash(
      'a process that crashes',
      'http://api:8080/',
      async () => {
        await lab.stopContainer('api.4', 'SIGKILL');
        return Date.now();
      },
      async () => (await endpoint('api.4')).traffic === 'nothing',
    );
    expect(took).toBeLessThan(5_000);
  });

  it('of a container is found by its namespace', async () => {
    const took = await crash(
      'a container that crashes',
      'http://api:8080/',
      async () => {
        const at = Date.now();
        await lab.removeContainer('api.5');
        return at;
      },
      async () => (await endpoint('api.5')).traffic === 'nothing',
    );
    expect(took).toBeLessThan(5_000);
  });

  it('of a host is found by its lease, and by the other hosts that no longer reach it', async () => {
    const host = lab.hosts.get('node3');
    // Endpoints that go on, in place of those that crashed.
    const added = [
      ['api.7', 'node1'],
      ['api.8', 'node2'],
    ] as const;
    await Promise.all(
      added.map(async ([name, node]) => {
        const netns = await lab.addContainer(name, node, '8080/tcp');
        await call('/endpoints', 'POST', { name, service: 'api', node, attachment: { netns } });
        await until(`${name} is sent traffic`, 60, async () => (await endpoint(name)).traffic === 'all');
      }),
    );
    const took = await crash(
      'a host that loses its network',
      'http://api:8080/',
      async () => {
        await lab.machineOf('node3').run(['nsenter', `--net=${host?.netns}`, '--', 'ip', 'link', 'set', 'eth1', 'down']);
        return Date.now();
      },
      async () => (await call<{ condition: string }>('/nodes/node3')).condition === 'unreachable',
    );
    expect(took).toBeLessThan(20_000);
    await lab.machineOf('node3').run(['nsenter', `--net=${host?.netns}`, '--', 'ip', 'link', 'set', 'eth1', 'up']);
    await lab.machineOf('node3').run(['nsenter', `--net=${host?.netns}`, '--', 'ip', 'route', 'replace', 'default', 'via', machine]);
    await until('node3 is up again', 60, async () => (await call<{ condition: string }>('/nodes/node3')).condition === 'up');
  });
});
