import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeState, nodeState, type Space } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { renderPlan } from '@portolan/render';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Exec, type Kernel, openLinuxKernel } from '../src/index.js';
import { makeThrowawayHost, sampleState, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let kernel: Kernel;
let state: NodeState;

beforeEach(() => {
  host = makeThrowawayHost();
  kernel = openLinuxKernel(host);
  state = sampleState(host);
});
afterEach(() => host.dispose());

async function stepsTo(desired: NodeState): Promise<string[]> {
  return diffNodeState(await kernel.observe(desired.endpoints), desired).steps.map(
    (step) => `${step.action} ${step.action === 'delete' ? step.observed.key : step.object.key}`,
  );
}

async function reach(desired: NodeState, endpoints = desired.endpoints): Promise<void> {
  const plan = diffNodeState(await kernel.observe(endpoints), desired);
  const applied = await kernel.apply(renderPlan(plan, desired, kernel.layout));
  const failed = applied.find(({ exitCode }) => exitCode !== 0);
  if (failed !== undefined) throw new Error(`${failed.command}\n${failed.batch.text}\n${failed.stderr}`);
}

function ownFiles(): string[] {
  return readdirSync(join(host.runDirectory, 'netns')).sort();
}

function namespaceNames(): string[] {
  return state.objects
    .filter(({ body }) => body.kind === 'namespace')
    .map(({ space }) => space.slice('own:'.length))
    .sort();
}

function isWrite(argv: readonly string[]): boolean {
  const line = argv.join(' ');
  return (
    !line.includes('-save') &&
    !line.includes(' -j ') &&
    !line.includes('sysctl -e') &&
    !line.includes('probe') &&
    !line.includes('--version') &&
    !/-- iptables-restore --noflush$/.test(line)
  );
}

/** Everything in the namespaces that is not ours, as text; ours is added to it and taken away again. */
function dump(path?: string): string {
  return host.run(
    'ip -o link show | cut -d" " -f2 | sort; ip -o addr show | sort; ip route show; iptables-save | grep -v "^#" | sed "s/\\[.*//" | grep -v "^:.*ACCEPT" | grep -v "^[*]" | grep -v COMMIT || true',
    path,
  );
}

describe('openLinuxKernel', () => {
  it('reaches the state of a node, and then finds nothing to do', async () => {
    await reach(state);
    expect(await stepsTo(state)).toEqual([]);
    expect(ownFiles()).toEqual(namespaceNames());
    const [endpoint] = Object.values(state.endpoints);
    if (endpoint === undefined || !('netns' in endpoint.attachment)) throw new Error('no endpoint');
    expect(host.run('ip -4 -o addr show', endpoint.attachment.netns)).toContain('10.0.0.');
  });

  it('reads a namespace with at most five processes, and only those that are asked for', async () => {
    await reach(state);
    const before = host.exec.started;
    await kernel.observe(state.endpoints);
    // host 3 (ip, iptables-save, sysctl), overlays 2 each (ip, bridge), balancers and the sandbox 3, endpoints 2.
    const own = ownFiles();
    const overlays = own.filter((name) => name.startsWith('1-')).length;
    expect(host.exec.started - before).toBe(3 + 2 * overlays + 3 * (own.length - overlays) + 2 * Object.keys(state.endpoints).length);

    const overlay: Space = `own:${own.find((name) => name.startsWith('1-'))}`;
    const again = host.exec.started;
    host.run('ip neigh flush nud permanent', join(host.runDirectory, 'netns', overlay.slice('own:'.length)));
    const part = await kernel.observe(state.endpoints, new Map([[overlay, new Set(['links'] as const)]]));
    expect(host.exec.started - again).toBe(1);
    const missing = state.objects.filter(({ key }) => !part.objects.some((object) => object.key === key));
    expect(missing.map(({ space, body }) => `${space} ${body.kind}`)).toEqual(missing.map(() => `${overlay} neighbour`));
    expect(missing.length).toBeGreaterThan(0);
    expect(part.hash).toBe((await kernel.observe(state.endpoints)).hash);
  });

  it('applies a whole node with few processes', async () => {
    const plan = diffNodeState(await kernel.observe(state.endpoints), state);
    const batches = renderPlan(plan, state, kernel.layout);
    const before = host.exec.started;
    const applied = await kernel.apply(batches);
    expect(applied.map(({ exitCode }) => exitCode)).toEqual(batches.map(() => 0));
    expect(host.exec.started - before).toBe(batches.length);
  });

  it('repairs what was changed behind its back', async () => {
    await reach(state);
    const overlay = join(host.runDirectory, 'netns', ownFiles().find((name) => name.startsWith('1-')) ?? '');
    host.run(
      'ip link set vxlan0 down; ip neigh flush nud permanent; bridge fdb show dev vxlan0 | grep dst | head -1 | sed "s/ .*/ dev vxlan0/; s/^/fdb del /" | bridge -batch -',
      overlay,
    );
    host.run('iptables -F PORTOLAN-FORWARD');
    expect((await stepsTo(state)).length).toBeGreaterThan(3);
    await reach(state);
    expect(await stepsTo(state)).toEqual([]);
  });

  it('completes a namespace of which only the file was made', async () => {
    const name = state.objects.find(({ body }) => body.kind === 'namespace')?.space.slice('own:'.length) ?? '';
    mkdirSync(join(host.runDirectory, 'netns'), { recursive: true });
    writeFileSync(join(host.runDirectory, 'netns', name), '');
    await reach(state);
    expect(await stepsTo(state)).toEqual([]);
    expect(namespaceNames()).toEqual(ownFiles());
  });

  it('stops at the first batch that fails and records it', async () => {
    const text = 'link set dev nothere up\n';
    const applied = await kernel.apply([
      { space: 'host', tool: 'ip', text: 'link set dev lo up\n', keys: [] },
      { space: 'host', tool: 'ip', text, keys: ['bridge/host/nothere'] },
      { space: 'host', tool: 'ip', text: 'link add never type bridge\n', keys: [] },
    ]);
    expect(applied).toHaveLength(2);
    expect(applied[1]).toMatchObject({
      batch: { text },
      exitCode: 1,
      stderr: expect.stringContaining('nothere'),
      command: expect.stringContaining('ip -batch -'),
    });
    expect(host.run('ip link show')).not.toContain('never');
  });

  it('says that an endpoint is absent, and attaches it again when it is back', async () => {
    await reach(state);
    const [[id, endpoint] = ['', undefined]] = Object.entries(state.endpoints);
    if (endpoint === undefined) throw new Error('no endpoint');
    host.removeContainer(endpoint.name);
    const gone = await kernel.observe(state.endpoints);
    expect(gone.endpoints[id]).toBe('absent');
    await reach(state);
    expect(diffNodeState(await kernel.observe(state.endpoints), state).waiting.length).toBeGreaterThan(0);
    host.container(endpoint.name);
    await reach(state);
    expect(await stepsTo(state)).toEqual([]);
    expect((await kernel.observe(state.endpoints)).endpoints[id]).toBe('present');
  });

  it('takes a replaced state down to what is still wanted', async () => {
    await reach(state);
    const ids = Object.keys(state.endpoints);
    const [first] = ids;
    const less = nodeState(
      state.cluster,
      state.node,
      {},
      state.objects.filter(
        ({ space, body, origin }) =>
          !space.startsWith('endpoint:') && origin.endpoint === undefined && !(body.kind === 'veth' && body.peer.space.startsWith('endpoint:')),
      ),
    );
    await reach(less, state.endpoints);
    const after = await kernel.observe(state.endpoints);
    expect(after.objects.filter(({ space }) => space === `endpoint:${first}`)).toEqual([]);
    expect(diffNodeState(after, less).steps).toEqual([]);
  });

  it('goes on where an agent was killed, also in the middle of a batch', { timeout: 60_000 }, async () => {
    const whole = renderPlan(diffNodeState(await kernel.observe(state.endpoints), state), state, kernel.layout).length;
    for (let survived = 0; survived < whole; survived += Math.ceil(whole / 5)) {
      let left = survived;
      const dying: Exec = {
        started: 0,
        run: async (argv, input = '') => {
          if (!isWrite(argv)) return host.exec.run(argv, input);
          left -= 1;
          if (left >= 0) return host.exec.run(argv, input);
          // Killed while the tool was reading: it has done what it had read. A restore commits a table at its end or not at all.
          const lines = input.split('\n');
          if (argv.includes('-batch')) await host.exec.run(argv, `${lines.slice(0, lines.length / 2).join('\n')}\n`);
          throw new Error('killed');
        },
      };
      const doomed = openLinuxKernel({ runDirectory: host.runDirectory, exec: dying });
      const plan = diffNodeState(await doomed.observe(state.endpoints), state);
      await expect(doomed.apply(renderPlan(plan, state, doomed.layout))).rejects.toThrow('killed');
      // A process without memory takes over.
      kernel = openLinuxKernel(host);
      await reach(state);
      expect(await stepsTo(state)).toEqual([]);
      await kernel.purge(state.endpoints);
    }
  });

  it('touches nothing foreign, and purge leaves nothing of ours', async () => {
    host.run(
      'ip link add foreign0 type bridge; ip addr add 198.51.100.1/24 dev foreign0; ip link set foreign0 up; ip route add 203.0.113.0/24 via 198.51.100.2 proto static',
    );
    host.run(
      'iptables -t nat -N OTHER; iptables -t nat -A PREROUTING -p tcp --dport 9 -m comment --comment other -j OTHER; iptables -A FORWARD -s 192.0.2.0/24 -j DROP',
    );
    const containers = Object.values(state.endpoints).map(({ name }) => host.container(name));
    for (const path of containers) host.run('ip link add own0 type veth peer name own1; iptables -A INPUT -p tcp --dport 22 -j ACCEPT', path);
    const before = [dump(), ...containers.map((path) => dump(path))];
    await reach(state);
    expect(dump()).not.toBe(before[0]);
    expect(dump()).toContain('--comment other');
    await kernel.purge(state.endpoints);
    expect([dump(), ...containers.map((path) => dump(path))]).toEqual(before);
    expect(existsSync(join(host.runDirectory, 'netns'))).toBe(false);
  });

  it('purges what a fresh kernel with no memory finds, damaged or not', async () => {
    await reach(state);
    const before = dump();
    const overlay = join(host.runDirectory, 'netns', ownFiles().find((name) => name.startsWith('1-')) ?? '');
    host.run('ip link del vxlan0; ip link add stray type bridge; ip link set lo down', overlay);
    host.run('iptables -t nat -D PREROUTING 1; ip link set ptl_gwbridge down');
    await openLinuxKernel(host).purge(state.endpoints);
    expect(before).toContain('ptl_gwbridge');
    expect(dump()).not.toMatch(/ptl_|PORTOLAN/);
  });
});
