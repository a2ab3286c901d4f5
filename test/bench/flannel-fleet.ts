import { readFileSync } from 'node:fs';
import { type Lab, programs, startLab } from '@portolan/lab';
import { flannelApi } from '../flannel/api.js';
import { etcdClient } from '../flannel/etcd.js';
import { flanneldKey, flanneldLease, LEASE_SECONDS } from '../flannel/flanneld.js';
import { hostKernel } from '../flannel/host-kernel.js';
import { labClient } from '../lab-client.js';
import { until } from '../until.js';
import { type Comparison, comparison } from './bench.js';

/** Leases that are written at once. */
const PARALLEL = 16;

/** Memory of the agent of a node in MiB: what it holds now, and the most that it held. */
async function memoryOf(lab: Lab, node: string): Promise<{ readonly now: number; readonly most: number }> {
  const { stdout } = await lab.machineOf(node).run(['ip', 'netns', 'pids', `plab-${node}`]);
  const agent = stdout.split('\n').find((pid) => pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('portolan-agent'));
  const status = readFileSync(`/proc/${agent}/status`, 'utf8');
  const of = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  return { now: of('VmRSS'), most: of('VmHWM') };
}

/**
 * Real agents, and a registry in which so many hosts with flanneld appear at once: when the kernels have them, what the agents' memory is then, and
 * how long one more takes.
 */
export async function fleetJoined(peers: number, report: (progress: string) => void, directory: string): Promise<readonly Comparison[]> {
  const lab = await startLab({ directory, manifestPath: programs.flannelExample, log: (line) => report(line) });
  try {
    const client = labClient(() => lab);
    const flannel = flannelApi(client);
    const etcd = etcdClient(lab.servers.etcdEndpoints[0] ?? '');
    const kernels = [...lab.hosts.values()].map(({ name, netns }) => hostKernel(lab.machineOf(name), netns));
    // A network with room for so many subnets.
    for (const name of ['a.1', 'b.1']) await client.call(`/endpoints/${name}?force=true`, 'DELETE');
    await client.call('/flannel?wait=applied', 'DELETE');
    await until('the registry is empty', 20, async () => (await etcd.range('/coreos.com/network')).length === 0);
    await client.call('/flannel?wait=applied', 'PUT', { network: '10.0.0.0/8', backend: { type: 'vxlan' } });
    await flannel.settled();
    const before = await memoryOf(lab, 'node-a');

    const write = async (index: number): Promise<void> => {
      const hex = index.toString(16).padStart(4, '0');
      const value = flanneldLease(`172.20.${index >> 8}.${index & 255}`, 'vxlan', `0a:00:00:00:${hex.slice(0, 2)}:${hex.slice(2)}`);
      await etcd.put(flanneldKey(`10.${(index >> 8) + 64}.${index & 255}.0/24`), value, await etcd.grant(LEASE_SECONDS));
    };
    const have = async (count: number): Promise<boolean> => {
      const routes = await Promise.all(kernels.map((kernel) => kernel.routes()));
      return routes.every((lines) => lines.filter((line) => line.includes('dev flannel.1')).length >= count);
    };
    report(`${peers} leases appear`);
    const start = performance.now();
    const queue = Array.from({ length: peers }, (_, index) => index);
    await Promise.all(
      Array.from({ length: PARALLEL }, async () => {
        for (let index = queue.shift(); index !== undefined; index = queue.shift()) await write(index);
      }),
    );
    const written = performance.now() - start;
    await until('every kernel has every peer', 300, () => have(peers + 1));
    await flannel.settled();
    const joined = performance.now() - start;
    report(`written in ${Math.round(written)} ms, in every kernel ${Math.round(joined)} ms after the first`);
    const after = await memoryOf(lab, 'node-a');
    const oneMore = performance.now();
    await write(peers);
    await until('one more', 60, () => have(peers + 2), 50);
    const one = performance.now() - oneMore;
    const { leases } = await flannel.status();
    return [
      comparison({
        case: `${peers} hosts with flanneld appear: until both kernels have them, real agents and control plane`,
        unit: 'ms',
        ours: joined,
        baseline: written,
        against: 'writing the leases into etcd alone, a lease and an entry each',
        detail: {
          afterTheLastMs: Math.round(joined - written),
          oneMoreMs: Math.round(one),
          nodesInSync: leases.filter(({ kernel }) => kernel?.inSync === true).length,
        },
      }),
      comparison({
        case: `memory of an agent with ${peers} peers (resident, real process)`,
        unit: 'MiB',
        ours: after.now,
        baseline: before.now,
        against: 'the same agent with one peer',
        detail: { mostMiB: Math.round(after.most) },
      }),
    ];
  } finally {
    await lab.stop();
  }
}
