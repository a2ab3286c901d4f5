import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Lab, startLab } from '@portolan/lab';
import { seededReals } from '@portolan/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { percentiles } from '../bench/bench.js';
import { labClient } from '../lab-client.js';
import { until } from '../until.js';
import { damaged, damagesWith } from './damages.js';
import { changeStream } from './stream.js';

/**
 * What may happen to a cluster, under a stream of changes and with clients, on a kernel with IPVS. Whatever happens, no change is lost or
 * doubled, and in the end each kernel is as the intent says.
 *
 *     npm run faults          (PORTOLAN_FAULTS=long: more of everything)
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const IS_LONG = process.env.PORTOLAN_FAULTS === 'long';
const KILLS = IS_LONG ? 100 : 5;
const DAMAGE_ROUNDS = IS_LONG ? 10 : 1;
/** What takes long by itself, such as a host that must be given up before it comes back. */
const itAtLength = IS_LONG ? it : () => undefined;
const ENDPOINT = 'bjdt_bjdt-dzwl.1';
const NODES = ['node1', 'node2', 'node3'] as const;
const seed = Number(process.env.PORTOLAN_SEED ?? Math.floor(Math.random() * 0x7fffffff));
const random = seededReals(seed);

let directory: string;
let lab: Lab;
const { asked, call, inSpace } = labClient(() => lab);

interface Status {
  readonly intentRevision: number;
  readonly appliedRevision: number;
  readonly nodes: readonly {
    readonly name: string;
    readonly alive: boolean | null;
    readonly appliedRevision: number;
    readonly lastReportAt: string | null;
    readonly lastErrors: readonly { readonly message: string }[];
  }[];
}
const status = (): Promise<Status> => call<Status>('/status');

/** The whole way: commit, compute, hint, apply, report. */
async function applyWeight(weight: number): Promise<void> {
  expect(await asked(`/endpoints/${ENDPOINT}?wait=applied&timeout=60`, 'PATCH', { weight })).toMatchObject({ status: 200, body: { weight } });
}

function server(name: 'postgres' | 'redis' | 'etcd') {
  const found = lab.servers.own[name];
  if (found === undefined) throw new Error(`the lab has no ${name} of its own`);
  return found;
}

/** Every kernel is as the intent says, by the report and by the plan that is made from it. */
async function settled(what: string, seconds = 90): Promise<number> {
  const took = await until(what, seconds, async () => {
    const { intentRevision, nodes } = await status();
    return nodes.every(({ appliedRevision }) => appliedRevision === intentRevision);
  });
  for (const node of NODES) expect((await call<{ steps: readonly unknown[] }>(`/nodes/${node}/drift`)).steps, node).toEqual([]);
  return took;
}

/** Requests of a client outside of the cluster, by the node without a front, and of a container to the VIP, while something happens. */
async function underLoad<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly sent: number; readonly failures: readonly string[] }> {
  const loads = await Promise.all([lab.load('machine', 'http://172.16.130.170:8000/', 15), lab.load('bjdt_bjdt-dzwl-web.1', 'http://10.0.0.20:8080/', 15)]);
  let ended = false;
  try {
    const result = await work();
    ended = true;
    const answers = await Promise.all(loads.map((load) => load.stop()));
    return { result, sent: answers.reduce((sum, { sent }) => sum + sent, 0), failures: answers.flatMap(({ failures }) => failures.map(({ error }) => error)) };
  } finally {
    if (!ended) await Promise.all(loads.map((load) => load.stop()));
  }
}

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/faults-'));
  lab = await startLab({ directory });
  console.log(`seed ${seed} (PORTOLAN_SEED)`);
});

afterAll(async () => {
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('a cluster outlives', () => {
  it('each of its servers: changes reach the nodes without Redis and without etcd, and without PostgreSQL packets go on', async () => {
    const alive = async () => (await status()).nodes.map((node) => node.alive);
    const { failures, sent } = await underLoad(async () => {
      await server('redis').kill('SIGKILL');
      await applyWeight(2);
      await server('redis').restart();
      await server('etcd').kill('SIGKILL');
      await applyWeight(3);
      await until('nobody knows who is up', 20, async () => (await alive()).every((up) => up !== true));
      await server('etcd').restart();
      await until('all nodes are up', 30, async () => (await alive()).every((up) => up === true));
      await server('postgres').kill('SIGKILL');
      for (const answer of [await asked(`/endpoints/${ENDPOINT}`), await asked(`/endpoints/${ENDPOINT}`, 'PATCH', { weight: 7 })]) {
        expect(answer).toMatchObject({ status: 503, body: { code: 'store-unavailable', detail: expect.stringContaining('PostgreSQL') as unknown } });
      }
      await server('postgres').restart();
      await until('requests are answered', 30, async () => (await asked(`/endpoints/${ENDPOINT}`)).status === 200);
      expect((await asked(`/endpoints/${ENDPOINT}`)).body).toMatchObject({ weight: 3 });
      await applyWeight(7);
    });
    expect(failures).toEqual([]);
    expect(sent).toBeGreaterThan(0);
  });

  it('a Redis that is emptied', async () => {
    execFileSync('redis-cli', ['-u', lab.servers.redisUrl, 'FLUSHALL'], { stdio: 'ignore' });
    await applyWeight(4);
  });

  it(`${KILLS} times SIGKILL of an agent, the control plane, Redis, PostgreSQL or etcd at a random moment of a stream of changes`, async () => {
    const kills: Readonly<Record<string, () => Promise<void>>> = {
      agent: async () => {
        const node = NODES[Math.floor(random() * NODES.length)] ?? 'node1';
        await lab.killAgent(node, 'SIGKILL');
        await sleep(random() * 500);
        await lab.startAgent(node);
      },
      'control plane': async () => {
        await lab.controlPlane.kill('SIGKILL');
        await sleep(random() * 500);
        await lab.controlPlane.restart();
      },
      ...Object.fromEntries(
        (['redis', 'postgres', 'etcd'] as const).map((name) => [
          name,
          async () => {
            await server(name).kill('SIGKILL');
            await sleep(random() * 1_000);
            await server(name).restart();
          },
        ]),
      ),
    };
    const order = [...Array(KILLS).keys()].map((round) => Object.keys(kills)[round % Object.keys(kills).length] ?? 'agent').sort(() => random() - 0.5);
    const stream = changeStream(asked, ENDPOINT, () => 50 + random() * 250);
    const { result, sent, failures } = await underLoad(async () => {
      for (const victim of order) {
        await sleep(random() * 1_200);
        await kills[victim]?.();
      }
      await until('requests are answered', 30, async () => (await asked('/status')).status === 200);
      const figures = await stream.stop();
      return { figures, took: await settled('every kernel as the intent says') };
    });
    const { made, unknown, refused, lost, doubled } = result.figures;
    console.log(
      `${KILLS} kills (${order.join(', ')}): ${made} changes made, ${refused} refused, ${unknown} without an answer; ${lost.length} lost, ${doubled.length} doubled; ` +
        `${failures.length} of ${sent} requests failed; settled ${Math.round(result.took)} ms after the last`,
    );
    expect({ lost, doubled, failures }).toEqual({ lost: [], doubled: [], failures: [] });
    expect(made).toBeGreaterThan(KILLS);
  });

  itAtLength('a host that is cut off: it is left alone, and has what it missed when it is back', async () => {
    const host = lab.hosts.get('node2');
    const set = (state: 'up' | 'down') => lab.machineOf('node2').run(['ip', 'link', 'set', host?.port ?? '', state]);
    try {
      await set('down');
      await until('it is seen', 30, async () => (await call<{ condition: string }>('/nodes/node2')).condition === 'unreachable');
      await asked(`/endpoints/${ENDPOINT}`, 'PATCH', { weight: 5 });
      await until('nobody is sent there', 30, async () => (await lab.request('machine', 'http://172.16.130.140:8000/', 6)).failures.length === 0);
    } finally {
      await set('up');
    }
    const took = await settled('everything is applied');
    console.log(`a host cut off and back: all applied after ${Math.round(took)} ms`);
    await until('its containers get requests again', 30, async () => {
      const { answers, failures } = await lab.request('machine', 'http://172.16.130.140:8000/', 8);
      return failures.length === 0 && new Set(answers.map(({ endpoint }) => endpoint)).size === 2;
    });
  });

  itAtLength('a full disk under an agent: it says so, its data path stays, and it goes on when there is room', async () => {
    const folder = '/run/portolan-lab/node3/state';
    const on = async (command: string): Promise<void> => {
      const { exitCode, stderr } = await lab.machineOf('node3').run(['sh', '-c', command]);
      expect(exitCode, stderr).toBe(0);
    };
    const reported = async (): Promise<string | null> => (await status()).nodes.find(({ name }) => name === 'node3')?.lastReportAt ?? null;
    await lab.killAgent('node3', 'SIGKILL');
    const before = await reported();
    await on(`cp -a ${folder} ${folder}.kept && mount -t tmpfs -o size=1m tmpfs ${folder} && cp -a ${folder}.kept/. ${folder}/`);
    await lab.startAgent('node3');
    await until('the agent is back', 60, async () => (await reported()) !== before);
    await settled('it has applied everything');
    await on(`dd if=/dev/zero of=${folder}/filler bs=4k 2>/dev/null; true`);
    const { failures } = await underLoad(async () => {
      // What still fits into the last block of the ledger is noted, and so accepted.
      for (let weight = 8; ; weight++) {
        const { status: answer, body } = await asked(`/endpoints/${ENDPOINT}?wait=applied&timeout=10`, 'PATCH', { weight });
        if (answer === 200 && weight < 100) continue;
        expect(answer).toBe(504);
        expect(JSON.stringify(body)).toMatch(/node3[^"]*ENOSPC/);
        break;
      }
      await on(`rm ${folder}/filler`);
      await settled('it went on');
    });
    expect(failures).toEqual([]);
  });

  it(`damages of its kernels: ${DAMAGE_ROUNDS} times each is repaired, and told`, async () => {
    const { facts } = ((await call<{ nodes: { facts: Record<string, string> }[] }>('/status')).nodes[0] ?? { facts: {} }) as { facts: Record<string, string> };
    const damages = damagesWith((facts['iptables-restore'] ?? 'iptables-restore').replace(/-restore$/, ''));
    const times: { readonly name: string; readonly took: number }[] = [];
    const { sent, failures } = await underLoad(async () => {
      for (let round = 0; round < DAMAGE_ROUNDS; round += 1) {
        for (const damage of damages) {
          const node = NODES[Math.floor(random() * NODES.length)] ?? 'node1';
          const { isRepaired } = await damaged(lab, node, damage);
          times.push({ name: damage.name, took: await until(`${damage.name} on ${node} is repaired`, 40, isRepaired, 20) });
          // A second damage within a second of the first is looked at a second later; that is a pace, not what is measured.
          await sleep(1_200);
        }
      }
    });
    const { p50, p99, max } = percentiles(times.map(({ took }) => took));
    const slowest = times.find(({ took }) => Math.round(took) === max);
    const medianOf = (damage: string): number => percentiles(times.filter(({ name }) => name === damage).map(({ took }) => took)).p50;
    console.log(
      `${times.length} damages repaired: p50 ${p50} ms, p99 ${p99} ms, slowest ${max} ms (${slowest?.name}); ` +
        `${failures.length} of ${sent} requests failed meanwhile\n${damages.map(({ name }) => `  ${name}: ${medianOf(name)} ms`).join('\n')}`,
    );
    // Beside other tests a guest is slower; the figures of a quiet machine are in the README.
    expect(p50).toBeLessThan(4_000);
    const { items } = await call<{ items: readonly { outcome: string }[] }>('/drift?outcome=repaired&limit=500');
    expect(items.length).toBeGreaterThanOrEqual(damages.length);
    await settled('no drift is left');
    expect(await inSpace('node1', 'lb_5mckih8b5', 'ipvsadm', '-S', '-n')).toContain('-A -f 329');
  });
});
