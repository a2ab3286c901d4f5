import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeState, nodeState, type Space, sysctlNamesOf } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { renderPlan } from '@portolan/render';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Exec, type Kernel, openLinuxKernel } from '../src/index.js';
import { observed, reach, stepsTo } from './reach.js';
import { sampleState, withoutIpvs } from './states.js';
import { makeThrowawayHost, type ThrowawayHost } from './throwaway-host.js';

let host: ThrowawayHost;
let kernel: Kernel;
let state: NodeState;

beforeEach(() => {
  host = makeThrowawayHost();
  kernel = openLinuxKernel(host);
  state = withoutIpvs(sampleState(host));
});
afterEach(() => host.dispose());

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
    !line.includes('-save') && !line.includes(' -j ') && !line.includes('probe') && !line.includes('--version') && !/iptables-restore --noflush$/.test(line)
  );
}

/** Everything in the namespaces that is not ours, as text; ours is added to it and taken away again. */
function dump(path?: string): string {
  return host.run(
    'ip -o link show | cut -d" " -f2 | sort; ip -o addr show | sed "s, tentative,," | sort; ip route show; iptables-save | grep -v "^#" | sed "s/\\[.*//" | grep -v "^:.*ACCEPT" | grep -v "^[*]" | grep -v COMMIT || true',
    path,
  );
}

describe('openLinuxKernel', () => {
  it('reaches the state of a node, and then finds nothing to do', async () => {
    await reach(kernel, state);
    expect(await stepsTo(kernel, state)).toEqual([]);
    expect(ownFiles()).toEqual(namespaceNames());
    const [endpoint] = Object.values(state.endpoints);
    if (endpoint === undefined || !('netns' in endpoint.attachment)) throw new Error('no endpoint');
    expect(host.run('ip -4 -o addr show', endpoint.attachment.netns)).toContain('10.0.0.');
  });

  it('reads a namespace with at most three processes, and only those that are asked for', async () => {
    await reach(kernel, state);
    const before = host.exec.started;
    await observed(kernel, state);
    // host 2 (ip, iptables-save), overlays 2 each (ip, bridge), balancers and the sandbox 2, endpoints 2.
    const own = ownFiles();
    expect(host.exec.started - before).toBe(2 * (1 + own.length + Object.keys(state.endpoints).length));

    const overlay: Space = `own:${own.find((name) => name.startsWith('1-'))}`;
    const again = host.exec.started;
    host.run('ip neigh flush nud permanent', join(host.runDirectory, 'netns', overlay.slice('own:'.length)));
    const part = await kernel.observe({
      endpoints: state.endpoints,
      sysctls: sysctlNamesOf(state),
      written: new Map([[overlay, new Set(['links'] as const)]]),
    });
    expect(host.exec.started - again).toBe(1);
    const missing = state.objects.filter(({ key }) => !part.objects.some((object) => object.key === key));
    expect(missing.map(({ space, body }) => `${space} ${body.kind}`)).toEqual(missing.map(() => `${overlay} neighbour`));
    expect(missing.length).toBeGreaterThan(0);
    expect(part.hash).toBe((await observed(kernel, state)).hash);
  });

  it('applies a whole node with few processes', async () => {
    const plan = diffNodeState(await observed(kernel, state), state);
    const batches = renderPlan(plan, state, kernel.layout);
    const before = host.exec.started;
    const applied = await kernel.apply(batches);
    expect(applied.map(({ exitCode }) => exitCode)).toEqual(batches.map(() => 0));
    const withoutProcess = batches.filter(({ tool }) => tool === 'netns' || tool === 'sysctl' || tool === 'dns');
    expect(host.exec.started - before).toBe(batches.length - withoutProcess.length);
  });

  it('repairs what was changed behind its back', async () => {
    await reach(kernel, state);
    const overlay = join(host.runDirectory, 'netns', ownFiles().find((name) => name.startsWith('1-')) ?? '');
    host.run(
      'ip link set vxlan0 down; ip neigh flush nud permanent; bridge fdb show dev vxlan0 | grep dst | head -1 | sed "s/ .*/ dev vxlan0/; s/^/fdb del /" | bridge -batch -',
      overlay,
    );
    host.run('iptables -F PORTOLAN-FORWARD');
    expect((await stepsTo(kernel, state)).length).toBeGreaterThan(3);
    await reach(kernel, state);
    expect(await stepsTo(kernel, state)).toEqual([]);
  });

  it('completes a namespace of which only the file was made', async () => {
    const name = state.objects.find(({ body }) => body.kind === 'namespace')?.space.slice('own:'.length) ?? '';
    mkdirSync(join(host.runDirectory, 'netns'), { recursive: true });
    writeFileSync(join(host.runDirectory, 'netns', name), '');
    await reach(kernel, state);
    expect(await stepsTo(kernel, state)).toEqual([]);
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

  it('goes on elsewhere when a batch of an endpoint fails, and stops when one of an own namespace does', async () => {
    const [path] = Object.values(state.endpoints).map(({ name }) => host.container(name));
    await reach(kernel, state);
    const [id] = Object.keys(state.endpoints);
    const [overlay] = ownFiles();
    if (id === undefined || overlay === undefined || path === undefined) throw new Error('no endpoint');
    const [there, own] = [`endpoint:${id}`, `own:${overlay}`] as const;
    const applied = await kernel.apply([
      { space: there, tool: 'sysctl', text: 'net.ipv4.nothing = 1\n', keys: [] },
      { space: there, tool: 'ip', text: 'link add never type bridge\n', keys: [] },
      { space: own, tool: 'sysctl', text: 'net.ipv4.tcp_keepalive_time = 4242\n', keys: [] },
      { space: own, tool: 'sysctl', text: 'net.ipv4.tcp_keepalive_time = wrong\n', keys: [] },
      { space: 'host', tool: 'ip', text: 'link add never type bridge\n', keys: [] },
    ]);
    expect(applied.map(({ exitCode, stderr }) => `${exitCode} ${stderr.trim()}`)).toEqual([
      '1 net.ipv4.nothing: ENOENT',
      '0 ',
      '1 net.ipv4.tcp_keepalive_time: EINVAL',
    ]);
    expect(applied[0]?.command).toBe(`nsenter --net=${path} -- sysctl -p -`);
    expect(host.run('ip link show', path)).not.toContain('never');
    expect(host.run('sysctl -n net.ipv4.tcp_keepalive_time', join(host.runDirectory, 'netns', overlay)).trim()).toBe('4242');
    // One that has gone in between is a failed batch, too, and no failure of the whole.
    const others = Object.values(state.endpoints).slice(1);
    host.removeContainer(Object.values(state.endpoints)[0]?.name ?? '');
    const later = await kernel.apply([
      { space: there, tool: 'ip', text: 'link add never type bridge\n', keys: [] },
      ...others.map(() => ({ space: own, tool: 'ip', text: 'link set dev lo up\n', keys: [] }) as const),
    ]);
    expect(later.map(({ exitCode }) => exitCode)).toEqual([1, ...others.map(() => 0)]);
    expect(later[0]?.stderr).toContain('the namespace is gone');
  });

  it('says which endpoints it refuses', async () => {
    const endpoints = { a: { name: 'a', attachment: { netns: host.container('a') } }, b: { name: 'b', attachment: { netns: host.container('a') } } };
    const { endpoints: presence, refused } = await kernel.observe({ endpoints, sysctls: new Map() });
    expect(presence).toEqual({ a: 'present', b: 'absent' });
    expect(refused.b?.message).toContain('of endpoint a already');
  });

  it('says that an endpoint is absent, and attaches it again when it is back', async () => {
    await reach(kernel, state);
    const [[id, endpoint] = ['', undefined]] = Object.entries(state.endpoints);
    if (endpoint === undefined) throw new Error('no endpoint');
    host.removeContainer(endpoint.name);
    const gone = await observed(kernel, state);
    expect(gone.endpoints[id]).toBe('absent');
    await reach(kernel, state);
    expect(diffNodeState(await observed(kernel, state), state).waiting.length).toBeGreaterThan(0);
    host.container(endpoint.name);
    await reach(kernel, state);
    expect(await stepsTo(kernel, state)).toEqual([]);
    expect((await observed(kernel, state)).endpoints[id]).toBe('present');
  });

  it('takes a replaced state down to what is still wanted', async () => {
    await reach(kernel, state);
    const ids = Object.keys(state.endpoints);
    const [first] = ids;
    const less = nodeState({
      ...state,
      endpoints: {},
      objects: state.objects.filter(
        ({ space, body, origin }) =>
          !space.startsWith('endpoint:') && origin.endpoint === undefined && !(body.kind === 'veth' && body.peer.space.startsWith('endpoint:')),
      ),
    });
    await reach(kernel, less, { endpoints: state.endpoints });
    const after = await observed(kernel, state);
    expect(after.objects.filter(({ space }) => space === `endpoint:${first}`)).toEqual([]);
    expect(diffNodeState(after, less).steps).toEqual([]);
  });

  it('goes on where an agent was killed, also in the middle of a batch', { timeout: 60_000 }, async () => {
    const batches = renderPlan(diffNodeState(await observed(kernel, state), state), state, kernel.layout);
    const whole = batches.filter(({ tool }) => tool !== 'netns' && tool !== 'sysctl' && tool !== 'dns').length;
    for (let survived = 0; survived < whole; survived += Math.ceil(whole / 5)) {
      let left = survived;
      const dying: Exec = {
        started: 0,
        run: async (argv, options = {}) => {
          if (!isWrite(argv)) return host.exec.run(argv, options);
          left -= 1;
          if (left >= 0) return host.exec.run(argv, options);
          // Killed while the tool was reading: it has done what it had read. A restore commits a table at its end or not at all.
          const lines = (options.input ?? '').split('\n');
          if (argv.includes('-batch')) await host.exec.run(argv, { ...options, input: `${lines.slice(0, lines.length / 2).join('\n')}\n` });
          throw new Error('killed');
        },
      };
      const doomed = openLinuxKernel({ ...host, exec: dying });
      const plan = diffNodeState(await observed(doomed, state), state);
      await expect(doomed.apply(renderPlan(plan, state, doomed.layout))).rejects.toThrow('killed');
      // A process without memory takes over.
      kernel = openLinuxKernel(host);
      await reach(kernel, state);
      expect(await stepsTo(kernel, state)).toEqual([]);
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
    await reach(kernel, state);
    expect(dump()).not.toBe(before[0]);
    expect(dump()).toContain('--comment other');
    await kernel.purge(state.endpoints);
    expect([dump(), ...containers.map((path) => dump(path))]).toEqual(before);
    expect(existsSync(join(host.runDirectory, 'netns'))).toBe(false);
  });

  it('purges what a fresh kernel with no memory finds, damaged or not', async () => {
    await reach(kernel, state);
    const before = dump();
    const overlay = join(host.runDirectory, 'netns', ownFiles().find((name) => name.startsWith('1-')) ?? '');
    host.run('ip link del vxlan0; ip link add stray type bridge; ip link set lo down', overlay);
    host.run('iptables -t nat -D PREROUTING 1; ip link set ptl_gwbridge down');
    await openLinuxKernel(host).purge(state.endpoints);
    expect(before).toContain('ptl_gwbridge');
    expect(dump()).not.toMatch(/ptl_|PORTOLAN/);
  });
});
