import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Lab, leftovers, proveLab, startLab, takeDown } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labClient, shares } from '../lab-client.js';
import { until } from '../until.js';

/**
 * The whole product on a kernel with IPVS: real servers, control plane, agents, containers, packets. The tests build
 * on one another, as a day of an operator would.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const web = ['bjdt_bjdt-dzwl-web.1', 'bjdt_bjdt-dzwl-web.2'];
const backends = ['bjdt_bjdt-dzwl.1', 'bjdt_bjdt-dzwl.2', 'bjdt_bjdt-dzwl.3'];
interface ServiceTraffic {
  readonly connections: number;
  readonly backends: readonly { readonly endpoint: string; readonly connections: number }[];
  readonly nodes: readonly { readonly node: string; readonly connections: number }[];
}

const VIP = 'http://10.0.0.20:8080/';

let directory: string;
let lab: Lab;

const { call, inSpace } = labClient(() => lab);

interface NodeStatus {
  readonly name: string;
  readonly alive: boolean | null;
  readonly generation: number;
  readonly appliedRevision: number;
  readonly lastStatus: string | null;
}
const status = async (node: string): Promise<NodeStatus> => {
  const { nodes } = await call<{ nodes: NodeStatus[] }>('/status');
  const found = nodes.find(({ name }) => name === node);
  if (found === undefined) throw new Error(`no node ${node}`);
  return found;
};

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/e2e-'));
  lab = await startLab({ directory });
});

afterAll(async () => {
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('first light', () => {
  it('shares 30 requests to every published port of every host, and to the VIP, within one of each other', async () => {
    const tables = await proveLab(lab, 30);
    expect(tables.flatMap(({ rows }) => rows.flatMap(({ label, fault }) => (fault === undefined ? [] : [`${label}: ${fault}`])))).toEqual([]);
    // Ports 8000 and 8080 of three hosts each, and the VIP of each service.
    expect(tables.flatMap(({ rows }) => rows).length).toBeGreaterThanOrEqual(8);
  });

  it('reaches the three backends 10 : 10 : 10 from a front container', async () => {
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', VIP, 30))).toEqual(Object.fromEntries(backends.map((name) => [name, 10])));
  });

  it('counts requests by backend: 30 more to the VIP are 10 : 10 : 10, told by the node that sent them', async () => {
    const counted = () => call<ServiceTraffic>('/services/bjdt_bjdt-dzwl/traffic');
    // IPVS sums up every 2 s, and agents read every 10 s: what was sent before is counted when nothing more comes.
    let before = await counted();
    let since = performance.now();
    await until('the counters stand still', 60, async () => {
      const now = await counted();
      if (now.connections !== before.connections) since = performance.now();
      before = now;
      return performance.now() - since > 13_000;
    });
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', VIP, 30))).toEqual(Object.fromEntries(backends.map((name) => [name, 10])));
    await until('30 more are counted', 20, async () => (await counted()).connections >= before.connections + 30);
    const after = await counted();
    const connections = ({ backends: told }: ServiceTraffic) => told.map((backend) => backend.connections);
    expect(after.backends.map(({ endpoint }) => endpoint)).toEqual(backends);
    expect(connections(after).map((now, i) => now - (connections(before)[i] ?? 0))).toEqual([10, 10, 10]);
    const sent = ({ nodes }: ServiceTraffic) => Object.fromEntries(nodes.map((told) => [told.node, told.connections]));
    expect(sent(after)).toEqual({ ...sent(before), node1: (sent(before).node1 ?? 0) + 30 });
    // It is what the tool of the kernel prints.
    const stats = await inSpace('node1', 'lb_5mckih8b5', 'ipvsadm', '-L', '-n', '--stats', '--exact');
    expect(Number(/^FWM +329 +(\d+)/m.exec(stats)?.[1])).toBeGreaterThanOrEqual(30);
    const { items } = await call<{ items: { virtualServer: string; realServers: number; faults: string[] }[] }>('/services/bjdt_bjdt-dzwl/programmed');
    expect(items).toHaveLength(6);
    for (const place of items) expect(place).toMatchObject({ virtualServer: 'present', realServers: 3, wantedRealServers: 3, faults: [] });
  });

  it('answers on the host that runs no front container, and on 127.0.0.1 of it', async () => {
    for (const url of ['http://172.16.130.170:8000/', 'http://127.0.0.1:8000/']) {
      expect(shares(await lab.request('node3', url, 30))).toEqual(Object.fromEntries(web.map((name) => [name, 15])));
    }
  });

  it('has in each kernel what the study shows', async () => {
    for (const node of lab.hosts.keys()) {
      expect(await inSpace(node, 'lb_5mckih8b5', 'ip', '-br', 'address', 'show', 'eth0')).toContain('10.0.0.20/32');
      expect(await inSpace(node, 'lb_5mckih8b5', 'ipvsadm', '-S', '-n')).toContain('-A -f 329 -s rr');
      expect(await inSpace(node, '1-5mckih8b5z', 'ip', '-d', 'link', 'show', 'vxlan0')).toMatch(/vxlan id 4097 .*dstport 4789 .*proxy l2miss l3miss/);
      expect(await inSpace(node, '1-5mckih8b5z', 'ip', '-br', 'address', 'show', 'br0')).toContain('10.0.0.1/24');
      expect(await inSpace(node, 'ingress_sbox', 'ip', '-br', 'address', 'show', 'eth0')).toContain('10.255.0.41/32');
      expect(await inSpace(node, '1-t17rqrj45u', 'ip', '-d', 'link', 'show', 'vxlan0')).toContain('vxlan id 4096');
    }
  });
});

describe('a change', () => {
  it('is nothing when the manifest is applied again', async () => {
    const before = await status('node1');
    expect(await call('/manifest?wait=applied', 'PUT', lab.manifest)).toMatchObject({ changed: false, changes: [] });
    expect((await status('node1')).generation).toBe(before.generation);
  });

  it('takes an endpoint away: afterwards no request reaches it and none fails', async () => {
    await call('/endpoints/bjdt_bjdt-dzwl.2?wait=applied', 'DELETE');
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', VIP, 30))).toEqual({ 'bjdt_bjdt-dzwl.1': 15, 'bjdt_bjdt-dzwl.3': 15 });
    for (const { address } of lab.hosts.values()) {
      expect(shares(await lab.request('machine', `http://${address}:8080/`, 30))).toEqual({ 'bjdt_bjdt-dzwl.1': 15, 'bjdt_bjdt-dzwl.3': 15 });
    }
  });

  it('adds one, which gets its share', async () => {
    const netns = await lab.addContainer('bjdt_bjdt-dzwl.4', 'node2', '8080/tcp');
    await call('/endpoints?wait=applied', 'POST', { name: 'bjdt_bjdt-dzwl.4', service: 'bjdt_bjdt-dzwl', node: 'node2', attachment: { netns } });
    const expected = { 'bjdt_bjdt-dzwl.1': 10, 'bjdt_bjdt-dzwl.3': 10, 'bjdt_bjdt-dzwl.4': 10 };
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', VIP, 30))).toEqual(expected);
    for (const { address } of lab.hosts.values()) expect(shares(await lab.request('machine', `http://${address}:8080/`, 30))).toEqual(expected);
  });

  it('is made when a container goes: its endpoint leaves every load balancer by itself, and comes back with it', async () => {
    await lab.removeContainer('bjdt_bjdt-dzwl.4');
    await until('the endpoint is seen as absent', 10, async () => (await call<{ presence: string }>('/endpoints/bjdt_bjdt-dzwl.4')).presence === 'absent');
    const { intentRevision } = await call<{ intentRevision: number }>('/status');
    await call(`/wait?revision=${intentRevision}&timeout=30`);
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', VIP, 30))).toEqual({ 'bjdt_bjdt-dzwl.1': 15, 'bjdt_bjdt-dzwl.3': 15 });

    await lab.addContainer('bjdt_bjdt-dzwl.4', 'node2', '8080/tcp');
    await until('the endpoint is seen again', 10, async () => (await call<{ presence: string }>('/endpoints/bjdt_bjdt-dzwl.4')).presence === 'present');
    const back = await call<{ intentRevision: number }>('/status');
    await call(`/wait?revision=${back.intentRevision}&timeout=30`);
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', VIP, 30))).toEqual({ 'bjdt_bjdt-dzwl.1': 10, 'bjdt_bjdt-dzwl.3': 10, 'bjdt_bjdt-dzwl.4': 10 });
  });

  it('leaves jobs with their commands and output behind', async () => {
    const { items } = await call<{ items: { id: string; status: string; node: string }[] }>('/jobs?status=applied&node=node1&limit=5');
    expect(items.length).toBeGreaterThan(0);
    const job = await call<{ report: { commands: { command: string; exitCode: number }[] } }>(`/jobs/${items[0]?.id}`);
    expect(job.report.commands.some(({ command, exitCode }) => command.includes('ipvsadm') && exitCode === 0)).toBe(true);
  });
});

describe('a planned change', () => {
  it('goes from node to node, each of which reaches its VIPs before the next, and is taken back', async () => {
    interface Changeset {
      readonly id: string;
      readonly status: string;
      readonly plan: { readonly nodes: readonly { readonly node: string; readonly risk: string }[] };
      readonly rollout: { readonly nodes: readonly { readonly node: string; readonly state: string; readonly at: string }[] };
    }
    const services = (lab.manifest.services ?? []).map((service) => ({ ...service, scheduler: 'wrr' }));
    const planned = await call<Changeset>('/changesets', 'POST', { manifest: { services } });
    expect(planned.plan.nodes.map(({ node, risk }) => [node, risk])).toEqual([...lab.hosts.keys()].map((node) => [node, 'moves']));
    const load = await lab.load('machine', 'http://172.16.130.170:8000/', 20);
    const applied = await call<Changeset>(`/changesets/${planned.id}/apply?wait=applied&timeout=90`, 'POST', { rollout: { parallelism: 1, monitor: 1 } });
    expect(applied.status).toBe('applied');
    const times = applied.rollout.nodes.map(({ state, at }) => [state, at]);
    expect(times).toEqual([...times].sort());
    expect(times.map(([state]) => state)).toEqual(['updated', 'updated', 'updated']);
    for (const node of lab.hosts.keys()) expect(await inSpace(node, 'lb_5mckih8b5', 'ipvsadm', '-S', '-n')).toContain('-A -f 329 -s wrr');
    await call('/rollback?wait=applied&timeout=60', 'POST', {});
    for (const node of lab.hosts.keys()) expect(await inSpace(node, 'lb_5mckih8b5', 'ipvsadm', '-S', '-n')).toContain('-A -f 329 -s rr');
    expect((await load.stop()).failures).toEqual([]);
  });
});

describe('a fault', () => {
  it('repairs what somebody removed from the kernel', async () => {
    await inSpace('node3', 'lb_5mckih8b5', 'ipvsadm', '-C');
    await lab.killAgent('node3', 'SIGTERM');
    await lab.startAgent('node3');
    await until('the virtual server is back', 30, async () => (await inSpace('node3', 'lb_5mckih8b5', 'ipvsadm', '-S', '-n')).includes('-A -f 329 -s rr'));
  });

  it('shows an agent that is dead as down within 10 s, and the data path goes on without it', async () => {
    await lab.killAgent('node2', 'SIGKILL');
    const took = await until('node2 shows as down', 10, async () => (await status('node2')).alive === false);
    expect(took).toBeLessThan(10_000);
    expect(shares(await lab.request('machine', 'http://172.16.130.164:8000/', 30))).toEqual(Object.fromEntries(web.map((name) => [name, 15])));
    await lab.startAgent('node2');
    await until('node2 is up again', 20, async () => (await status('node2')).alive === true);
  });

  it('is no fault for long when an agent is killed in the middle of an apply', async () => {
    // A change that touches every namespace of the node, killed at different moments of it.
    for (const [round, delay] of [20, 120, 300, 600].entries()) {
      const applied = call('/endpoints/bjdt_bjdt-dzwl.1', 'PATCH', { weight: 2 + round });
      const moved = call(`/networks/bjdt_overlay`, 'PATCH', { mtu: 1400 + round });
      await Promise.all([applied, moved]);
      await sleep(delay);
      await lab.killAgent('node1', 'SIGKILL');
      await lab.startAgent('node1');
      const { intentRevision } = await call<{ intentRevision: number }>('/status');
      await call(`/wait?revision=${intentRevision}&timeout=60`);
    }
    await call('/endpoints/bjdt_bjdt-dzwl.1?wait=applied', 'PATCH', { weight: 1 });
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', VIP, 30))).toEqual({ 'bjdt_bjdt-dzwl.1': 10, 'bjdt_bjdt-dzwl.3': 10, 'bjdt_bjdt-dzwl.4': 10 });
    expect(await inSpace('node1', '1-5mckih8b5z', 'ip', '-br', 'link', 'show', 'vxlan0')).toContain('vxlan0');
  });

  it('leaves no trace of the lab once it is down', async () => {
    await lab.stop();
    await takeDown(directory);
    expect(await leftovers(directory)).toEqual([]);
  });
});
