import { afterEach, describe, expect, it } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { fakeApi, type Received, type Reply, refusal } from './fake-api.js';
import { screen } from './screen.js';

const spec = { network: '10.244.0.0/16', backend: { type: 'vxlan', directRouting: true }, masquerade: true };
const own = {
  key: '10.244.1.0-24',
  subnet: '10.244.1.0/24',
  node: 'node-a',
  foreign: false,
  publicAddress: '172.16.130.140',
  backendType: 'vxlan',
  vni: 1,
  vtepMac: '4a:fb:70:75:c8:8f',
  reserved: false,
  secondsLeft: 86_340,
  fault: null,
  reason: null,
  kernel: { inSync: true, wanted: 19, found: 19, differing: [] },
};
const foreign = {
  ...own,
  key: '10.244.9.0-24',
  subnet: '10.244.9.0/24',
  node: null,
  foreign: true,
  publicAddress: '172.16.130.150',
  secondsLeft: 540,
  kernel: null,
};
const garbled = {
  ...foreign,
  key: 'nonsense',
  subnet: null,
  publicAddress: null,
  backendType: null,
  vni: null,
  vtepMac: null,
  secondsLeft: null,
  fault: 'no JSON',
};
const without = { ...garbled, key: null, node: 'node-c', foreign: false, fault: null, reason: 'no subnet is free' };
const drifted = { ...own, key: '10.244.2.0-24', subnet: '10.244.2.0/24', node: 'node-b', reserved: true, secondsLeft: null };
const status = { phase: 'active', waitsFor: { nodes: [], foreign: [] }, etcd: true, spec, leases: [own] };

let close: () => Promise<void> = async () => undefined;
afterEach(() => close());

async function portolan(words: string, answer: (request: Received) => Reply) {
  const api = await fakeApi(answer);
  close = api.close;
  const terminal = screen({ environment: { PORTOLAN_URL: api.url, PORTOLAN_CLUSTER: 'c' } });
  const exitCode = await runPortolan(words.split(' '), terminal);
  return { exitCode, out: terminal.out(), err: terminal.err(), sent: api.received.filter(({ method }) => method !== 'GET') };
}

describe('portolan flannel status', () => {
  it('has a line for each lease, foreign ones too, and says what is wrong', async () => {
    const kernel = { inSync: false, wanted: 19, found: 17, differing: ['route/host/10.244.1.0/24', 'bridge/host/cni0'] };
    const leases = [own, { ...drifted, kernel }, foreign, garbled, without];
    const { out } = await portolan('flannel status', () => ({
      body: { ...status, phase: 'switching', waitsFor: { nodes: ['node-b'], foreign: ['172.16.130.150'] }, etcd: false, leases },
    }));
    expect(out).toBe(`10.244.0.0/16 by vxlan, 4 leases, switching
etcd does not answer: leases are as they were seen last, and the data path stays
waits for: node-b, 172.16.130.150 (foreign)

NODE       SUBNET         ADDRESS         BACKEND  VTEP MAC                  LEFT  KERNEL
node-a     10.244.1.0/24  172.16.130.140  vxlan 1  4a:fb:70:75:c8:8f  23 h 59 min  in sync (19)
node-b     10.244.2.0/24  172.16.130.140  vxlan 1  4a:fb:70:75:c8:8f     reserved  17 of 19 objects
(foreign)  10.244.9.0/24  172.16.130.150  vxlan 1  4a:fb:70:75:c8:8f        9 min  -
(foreign)  nonsense       -               -        -                      unknown  -
node-c     -              -               -        -                            -  -
node-b: not as wanted: route/host/10.244.1.0/24
node-b: not as wanted: bridge/host/cni0
nonsense: no JSON
node-c: no subnet is free
`);
  });

  it('is the whole answer for programs', async () => {
    const { out } = await portolan('flannel status --json', () => ({ body: status }));
    expect(JSON.parse(out)).toEqual(status);
  });
});

describe('portolan flannel set', () => {
  const reply = ({ method }: Received): Reply => (method === 'GET' ? { body: spec } : { body: spec, headers: { 'portolan-revision': '7' } });

  it('puts what is given in the place of what is set, and waits', async () => {
    const { out, sent } = await portolan('flannel set --option vni=7 --wait', reply);
    expect(out).toBe('the flannel network is set, revision 7\n');
    expect(sent.map(({ path, query, body }) => [path, query.wait, body])).toEqual([
      ['/v1/clusters/c/flannel', 'applied', { ...spec, backend: { type: 'vxlan', directRouting: true, vni: 7 } }],
    ]);
  });

  it('begins the options anew with another backend', async () => {
    const { sent } = await portolan('flannel set --backend udp', reply);
    expect(sent.map(({ body }) => body)).toEqual([{ ...spec, backend: { type: 'udp' } }]);
  });

  it('makes a network where there is none', async () => {
    const { sent } = await portolan('flannel set --network 10.9.0.0/16 --subnet-len 26 --backend host-gw', ({ method }) =>
      method === 'GET' ? refusal(404, 'not-found', 'none', [{ code: 'not-found', path: '', message: 'none', fix: '' }]) : { body: {} },
    );
    expect(sent.map(({ body }) => body)).toEqual([{ network: '10.9.0.0/16', subnetLen: 26, backend: { type: 'host-gw' } }]);
  });

  it.each([
    ['flannel set', 'nothing is given to set'],
    ['flannel set --option vni', '"vni" is no option'],
    ['flannel', 'Say what to do'],
  ])('%s: is refused before anything is sent', async (words, reason) => {
    const { exitCode, err, sent } = await portolan(words, reply);
    expect([exitCode, sent]).toEqual([2, []]);
    expect(err).toContain(reason);
  });
});

it('adopts and deletes', async () => {
  const answer = (): Reply => ({ headers: { 'portolan-revision': '8' } });
  const adopted = await portolan('flannel adopt --prefix /other', answer);
  expect(adopted.out).toBe('the registry is adopted, revision 8\n');
  expect(adopted.sent.map(({ method, path, body }) => [method, path, body])).toEqual([['POST', '/v1/clusters/c/flannel/adopt', { prefix: '/other' }]]);
  await close();
  const deleted = await portolan('flannel delete', answer);
  expect(deleted.sent.map(({ method, path }) => [method, path])).toEqual([['DELETE', '/v1/clusters/c/flannel']]);
});
