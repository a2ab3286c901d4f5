import { type KernelObject, kernelObject, nothingToWatch, observedObject, type VipProbe, type Watch } from '@portolan/node-state';
import type { Step } from '@portolan/plan';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../src/watch/dial.js';
import { touchedVips } from '../../src/watch/touched.js';
import { type Vips, watchVips } from '../../src/watch/vips.js';
import { fakeClock } from '../fake-clock.js';

const front = { computedBy: 'load-balancer', network: 'front' } as const;
const mesh = { computedBy: 'ingress', network: 'ingress' } as const;
const BALANCER = 'own:lb_front';
const SANDBOX = 'own:ingress_sbox';

function balanced(address: string, mark: number, ...servers: readonly string[]): KernelObject[] {
  const origin = { ...front, service: `s${mark}` };
  return [
    kernelObject(BALANCER, { kind: 'address', link: 'eth0', address, prefixLength: 32 }, origin),
    kernelObject(BALANCER, { kind: 'mark', match: { stage: 'input', destination: address }, mark }, origin),
    kernelObject(BALANCER, { kind: 'virtual-server', mark, scheduler: 'rr' }, origin),
    ...servers.map((server) => kernelObject(BALANCER, { kind: 'real-server', mark, address: server, forwarding: 'masquerade', weight: 1 }, origin)),
  ];
}

const namespace = kernelObject(BALANCER, { kind: 'namespace' }, front);
const neighbour = kernelObject('own:1-front', { kind: 'neighbour', link: 'vxlan0', address: '10.1.0.2', mac: '02:42:0a:01:00:02' }, front);
const bridge = kernelObject('host', { kind: 'bridge', name: 'ptl_gwbridge', mtu: 1500 }, { computedBy: 'gateway' });
const forward = kernelObject(
  'host',
  { kind: 'port-forward', protocol: 'tcp', port: 8000, to: '172.19.0.2', toPort: 8000 },
  { computedBy: 'ingress', network: 'ingress', service: 'web' },
);
const published: readonly KernelObject[] = [
  kernelObject(SANDBOX, { kind: 'mark', match: { stage: 'prerouting', protocol: 'tcp', port: 8000 }, mark: 500 }, { ...mesh, service: 'web' }),
  kernelObject(SANDBOX, { kind: 'virtual-server', mark: 500, scheduler: 'rr' }, { ...mesh, service: 'web' }),
];
// 50 begins as 501 does.
const objects = [namespace, neighbour, bridge, forward, ...published, ...balanced('10.1.0.9', 501, '10.1.0.11', '10.1.0.12'), ...balanced('10.1.0.8', 50)];
const vips: Readonly<Record<string, VipProbe>> = {
  web: { space: 'endpoint:a', address: '10.1.0.9', port: 80 },
  db: { space: 'endpoint:a', address: '10.1.0.8', port: 5432 },
  port: { space: 'host', address: '192.0.2.1', port: 8000 },
  // Its mark is not there.
  gone: { space: 'endpoint:a', address: '10.1.0.7', port: 80 },
};
const watch: Watch = { ...nothingToWatch, vips };
const state = { watch, objects };

function create(object: KernelObject | undefined): Step {
  if (object === undefined) throw new Error('no such object in the state of this test');
  return { action: 'create', object, reason: 'test' };
}
function created(key: string): Step {
  return create(objects.find((object) => object.key === key));
}
function deleted(key: string): Step {
  const [object] = balanced('10.1.0.9', 501);
  if (object === undefined) throw new Error('nothing to delete');
  return { action: 'delete', observed: { ...observedObject(BALANCER, object.body), key }, reason: 'test' };
}

describe('touchedVips', () => {
  it('are those whose own objects were made, replaced or removed', () => {
    const touched = (...steps: readonly Step[]) => touchedVips(state, steps);
    expect(touched()).toEqual([]);
    expect(touched(created(`real-server/${BALANCER}/501/10.1.0.12`))).toEqual(['web']);
    expect(touched(deleted(`real-server/${BALANCER}/501/10.1.0.99`))).toEqual(['web']);
    expect(touched(deleted(`real-server/${BALANCER}/50/10.1.0.99`))).toEqual(['db']);
    expect(touched(created(`virtual-server/${BALANCER}/50`), created(`mark/${BALANCER}/input/10.1.0.9`))).toEqual(['web', 'db']);
    expect(touched(created(`address/${BALANCER}/eth0/10.1.0.8`))).toEqual(['db']);
    expect(touched(created('port-forward/host/tcp/8000'))).toEqual(['port']);
    expect(touched(created(`mark/${SANDBOX}/prerouting/tcp/8000`))).toEqual(['port']);
    expect(touched(deleted('port-forward/host/udp/8000'), deleted(`real-server/${SANDBOX}/501/10.255.0.3`))).toEqual([]);
  });

  it('are all that rest on what is shared', () => {
    expect(touchedVips(state, [create(namespace)])).toEqual(['web', 'db']);
    expect(touchedVips(state, [create(bridge)])).toEqual(['port']);
    expect(touchedVips(state, [create(neighbour)])).toEqual([]);
    expect(touchedVips({ ...state, watch: nothingToWatch }, [create(namespace)])).toEqual([]);
  });
});

describe('watchVips', () => {
  const server = created(`real-server/${BALANCER}/501/10.1.0.11`);

  /** `answer` is asked with the address, and the number of tries of it so far. */
  function open(answer: (address: string, tries: number) => Answer | Promise<Answer>) {
    const clock = fakeClock();
    const asked: [address: string, at: number][] = [];
    const told: ReturnType<Vips['vips']>[] = [];
    const start = clock.now();
    const watched = watchVips({
      clock,
      ask: async ({ address }) => {
        asked.push([address, clock.now() - start]);
        return answer(address, asked.filter(([one]) => one === address).length);
      },
      onChange: () => told.push(watched.vips()),
    });
    return { clock, asked, told, watched };
  }

  it('dials what a run has changed until it answers, and says so once', async () => {
    const { clock, asked, told, watched } = open((_address, tries) => (tries < 3 ? 'refused' : 'connected'));
    watched.follow(vips);
    watched.applied(state, 7, [server]);
    await clock.pass(10_000);
    expect(asked).toEqual([
      ['10.1.0.9', 0],
      ['10.1.0.9', 600],
      ['10.1.0.9', 1200],
    ]);
    expect(told).toEqual([{ web: { revision: 7, answers: true } }]);
    // Nothing of it changed, so nothing is dialled, and it stays.
    watched.follow(vips);
    watched.applied(state, 8, [create(neighbour)]);
    await clock.pass(10_000);
    expect(asked).toHaveLength(3);
    expect(watched.vips()).toEqual({ web: { revision: 7, answers: true } });
    watched.applied(state, 9, [server]);
    await clock.pass(10);
    expect(watched.vips()).toEqual({ web: { revision: 9, answers: true } });
    const { web: _web, ...others } = vips;
    watched.follow(others);
    expect(told.at(-1)).toEqual({});
    expect(told).toHaveLength(3);
  });

  it('gives up after five tries, or when 3 s are over, and says that it does not answer', async () => {
    const quick = open(() => 'refused');
    quick.watched.applied(state, 7, [server]);
    await quick.clock.pass(10_000);
    expect(quick.asked.map(([, at]) => at)).toEqual([0, 600, 1200, 1800, 2400]);
    expect(quick.told).toEqual([{ web: { revision: 7, answers: false } }]);

    const slow = open(() => new Promise((resolve) => slow.clock.after(1_000, () => resolve('timeout'))));
    slow.watched.applied(state, 7, [server]);
    await slow.clock.pass(10_000);
    expect(slow.asked.map(([, at]) => at)).toEqual([0, 1000, 2000, 3000]);
    expect(slow.told).toEqual([{ web: { revision: 7, answers: false } }]);
  });

  it('says nothing of what could not be asked, and forgets a dial that a newer run or state has overtaken', async () => {
    const absent = open(() => 'not-tried');
    absent.watched.applied(state, 7, [server]);
    await absent.clock.pass(10_000);
    expect(absent.asked).toHaveLength(5);
    expect(absent.told).toEqual([]);

    const answers: ((answer: Answer) => void)[] = [];
    const overtaken = open(() => new Promise((resolve) => answers.push(resolve)));
    overtaken.watched.applied(state, 7, [server]);
    overtaken.watched.applied(state, 8, [server]);
    answers[0]?.('connected');
    await overtaken.clock.pass(10);
    expect(overtaken.told).toEqual([]);
    answers[1]?.('connected');
    await overtaken.clock.pass(10);
    expect(overtaken.told).toEqual([{ web: { revision: 8, answers: true } }]);
    overtaken.watched.applied(state, 9, [server]);
    overtaken.watched.follow({});
    answers[2]?.('connected');
    await overtaken.clock.pass(10);
    expect(overtaken.watched.vips()).toEqual({});
    overtaken.watched.applied(state, 10, [server]);
    overtaken.watched.stop();
    answers[3]?.('refused');
    await overtaken.clock.pass(10_000);
    expect(answers).toHaveLength(4);
  });

  it('holds 32 sockets at most', async () => {
    let current = 0;
    let most = 0;
    const many = Array.from({ length: 100 }, (_, i) => balanced(`10.1.1.${i}`, 1_000 + i)).flat();
    const all = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`s${i}`, { space: 'endpoint:a', address: `10.1.1.${i}`, port: 80 } as const]));
    const { clock, watched } = open(() => {
      current += 1;
      most = Math.max(most, current);
      return new Promise((resolve) =>
        clock.after(5, () => {
          current -= 1;
          resolve('connected');
        }),
      );
    });
    watched.applied({ watch: { ...nothingToWatch, vips: all }, objects: [namespace, ...many] }, 1, [create(namespace)]);
    await clock.pass(100);
    expect(most).toBe(32);
    expect(Object.keys(watched.vips())).toHaveLength(100);
  });
});
