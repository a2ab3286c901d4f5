import { type AddressInfo, createServer, type Server } from 'node:net';
import { kernelObject, nodeState } from '@portolan/node-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dial } from '../src/watch/dial.js';
import { openStage, type Stage, stateWith, until, watching } from './stage.js';

let stage: Stage;
const servers: Server[] = [];
beforeEach(async () => {
  stage = await openStage();
});
afterEach(async () => {
  await stage.dispose();
  for (const server of servers.splice(0)) server.close();
});

async function reported(count: number): Promise<void> {
  await until(() => stage.plane.reports.length >= count, `${count} reports`);
}

/** An endpoint of the test: a server on loopback, that can be switched off. */
async function listen(): Promise<{ readonly port: number; off(): Promise<void>; on(): Promise<void> }> {
  const open = async (port: number): Promise<Server> => {
    const server = createServer((socket) => socket.on('error', () => undefined));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return server;
  };
  let server = await open(0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    off: () => new Promise((resolve) => server.close(() => resolve())),
    on: async () => {
      server = await open(port);
    },
  };
}

function probing(port: number, ...endpoints: readonly string[]) {
  const probe = { space: 'host', address: '127.0.0.1', kind: 'tcp', path: '', intervalMs: 20, timeoutMs: 500, failures: 2, successes: 2 } as const;
  return { probes: Object.fromEntries(endpoints.map((id) => [id, { ...probe, port }])) };
}

describe('signals', () => {
  it('travel as soon as they change, by the last report, without a look at the kernel', async () => {
    stage.sight.dial = dial;
    const server = await listen();
    const state = watching(stateWith('a', 'b'), probing(server.port, 'a'));
    stage.offer(1, state);
    await stage.publish(1);
    const agent = stage.agent();
    await agent.start();
    // Ends after the runs of the start and of the job: what is counted, and told of work, is over with its report.
    await agent.sync();
    const { lastRunAt } = agent.status();
    const isOver = () => Date.parse(stage.plane.reports.at(-1)?.finishedAt ?? '') === lastRunAt;
    await until(() => isOver() && stage.lastReport().signals.health.a === 'healthy', 'healthy');
    const before = { ...stage.kernel.counts };
    const answered = stage.plane.requests.state;
    await server.off();
    await until(() => stage.lastReport().signals.health.a === 'unhealthy', 'unhealthy');
    expect(stage.lastReport()).toMatchObject({
      generation: 1,
      stateHash: state.hash,
      status: 'applied',
      steps: [],
      commands: [],
      endpoints: { a: 'present', b: 'present' },
      signals: { health: { a: 'unhealthy' }, reachable: {}, connections: {}, underlayMtu: 1500, underlayLink: 'eth0', onLink: ['192.0.2.0/24'] },
    });
    expect(stage.lastReport().jobId).toBeUndefined();
    expect(stage.lastReport().observed.objects).toBeUndefined();
    await server.on();
    await until(() => stage.lastReport().signals.health.a === 'healthy', 'healthy again');
    expect(stage.kernel.counts).toEqual(before);
    expect(stage.plane.requests.state).toBe(answered);
    const figures = await stage.metrics.registry.metrics();
    expect(figures).toMatch(/portolan_agent_probes_total\{outcome="success"\} [1-9]/);
    expect(figures).toMatch(/portolan_agent_signals_sent_total [2-9]/);
    expect(figures).toContain('portolan_agent_unhealthy_endpoints 0');
  });

  it('go on with the probes of the state, and tell of no others', async () => {
    stage.sight.dial = dial;
    const server = await listen();
    stage.offer(1, watching(stateWith('a', 'b'), probing(server.port, 'a', 'b')));
    const agent = stage.agent();
    await agent.start();
    await until(() => Object.keys(stage.plane.reports.at(-1)?.signals.health ?? {}).length === 2, 'both healthy');
    stage.offer(2, watching(stateWith('a', 'b'), { ...probing(server.port, 'b'), nodes: { n2: '127.0.0.1' } }));
    await agent.sync();
    await until(() => stage.lastReport().signals.reachable.n2 === true, 'the other host answers');
    expect(stage.lastReport()).toMatchObject({ generation: 2, signals: { health: { b: 'healthy' }, reachable: { n2: true } } });
    expect(stage.lastReport().signals.health).toEqual({ b: 'healthy' });
  });

  it('keep the work and the job of a report that was not delivered', async () => {
    stage.sight.dial = dial;
    const server = await listen();
    const state = watching(stateWith('a'), probing(server.port, 'a'));
    stage.offer(1, state);
    const agent = stage.agent();
    await agent.start();
    await until(() => stage.plane.reports.at(-1)?.signals.health.a === 'healthy', 'healthy');
    stage.plane.mode = 'down';
    await stage.publish(1);
    stage.kernel.tamper('bridge/own:1-net/br0', undefined);
    await agent.sync();
    await agent.sync();
    await server.off();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const count = stage.plane.reports.length;
    stage.plane.mode = 'up';
    await reported(count + 1);
    expect(stage.plane.reports[count]).toMatchObject({ jobId: 'job1', steps: [{ key: 'bridge/own:1-net/br0' }], signals: { health: { a: 'unhealthy' } } });
  });

  it('of connections that come and go do not flood, but the last one is told at once', async () => {
    let connections = 100;
    let moves = true;
    stage.sight.establishedConnections = () => (moves ? ++connections : connections);
    stage.offer(1, watching(stateWith('a'), { draining: ['a'] }));
    await stage.agent().start();
    await reported(1);
    expect(stage.lastReport().signals.connections).toEqual({ a: 101 });
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    // One soon after the report, one a second later.
    expect(stage.plane.reports.length).toBeLessThanOrEqual(3);
    moves = false;
    connections = 0;
    await until(() => stage.lastReport().signals.connections.a === 0, 'the last connection is told');
    // A namespace that is gone has none.
    connections = 1;
    await until(() => stage.lastReport().signals.connections.a === 1, 'a connection is told');
  });

  it('measure the underlay when the whole kernel is looked at', async () => {
    stage.offer(1, stateWith('a'));
    const agent = stage.agent();
    await agent.start();
    await reported(1);
    expect(stage.lastReport().signals.underlayMtu).toBe(1500);
    stage.sight.underlay = () => ({ link: 'eth0', mtu: 1400, onLink: ['192.0.2.0/24'] });
    await agent.sync();
    await until(() => stage.lastReport().signals.underlayMtu === 1400, 'the new one');
    stage.sight.underlay = () => ({ link: undefined, mtu: undefined, onLink: ['198.51.100.0/24'] });
    await agent.sync();
    await until(() => stage.lastReport().signals.underlayMtu === undefined, 'none');
    // It is down for a moment: the ways of others to this host stay.
    expect(stage.lastReport().signals).toMatchObject({ underlayLink: 'eth0', onLink: ['192.0.2.0/24'] });
  });
});

describe('an endpoint that dies', () => {
  it('is told of at once, as absent and unhealthy, while the kernel is still to be looked at', async () => {
    stage.sight.dial = dial;
    const server = await listen();
    stage.offer(1, watching(stateWith('a', 'b'), probing(server.port, 'b')));
    await stage.agent({ quickPresence: 10 }).start();
    await until(() => stage.plane.reports.at(-1)?.signals.health.b === 'healthy', 'healthy');
    const { observe } = stage.kernel;
    stage.kernel.observe = async (request) => {
      stage.kernel.observe = observe;
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      return observe(request);
    };
    const told = () => stage.plane.reports.find(({ endpoints }) => endpoints.b === 'absent');
    stage.kernel.setPresence('b', 'absent');
    await server.off();
    await until(() => told() !== undefined, 'told', 1_400);
    expect(told()).toMatchObject({ status: 'applied', waiting: [], endpoints: { a: 'present' }, signals: { health: { b: 'unhealthy' } } });
    await until(() => stage.lastReport().waiting.length > 0, 'looked at');
    expect(stage.lastReport().endpoints).toEqual({ a: 'present', b: 'absent' });
    // It comes back, under the same name, and is new.
    await server.on();
    stage.kernel.setPresence('b', 'present');
    await until(() => stage.lastReport().endpoints.b === 'present' && stage.lastReport().signals.health.b === 'healthy', 'back');
    expect(stage.lastReport().waiting).toEqual([]);
  });

  it('does not come back by a run that looked before it died', async () => {
    stage.offer(1, stateWith('a', 'b'));
    const agent = stage.agent({ quickPresence: 10 });
    await agent.start();
    await reported(1);
    const { observe } = stage.kernel;
    let hasLooked = false;
    stage.kernel.observe = async (request) => {
      const seen = await observe(request);
      if (hasLooked) return seen;
      hasLooked = true;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return seen;
    };
    const running = agent.sync();
    await until(() => hasLooked, 'the run has looked');
    stage.kernel.setPresence('b', 'absent');
    await running;
    await until(() => stage.lastReport().waiting.length > 0, 'looked at again');
    expect(stage.plane.reports.slice(1).map(({ endpoints }) => endpoints.b)).not.toContain('present');
  });
});

describe('names', () => {
  it('are served again before anybody is asked', async () => {
    const { hash: _hash, ...rest } = stateWith('a');
    const name = kernelObject('host', { kind: 'dns-name', network: 'net', name: 'web', addresses: ['10.0.0.9'] }, { computedBy: 'dns' });
    const state = nodeState({ ...rest, objects: [...rest.objects, name] });
    stage.offer(1, state);
    const first = stage.agent();
    await first.start();
    await reported(1);
    await first.stop();
    expect(stage.restored).toEqual([]);
    stage.plane.mode = 'down';
    const asked = stage.plane.requests.state;
    await stage.agent().start();
    expect(stage.restored).toEqual([[name.key, 'a', String(asked)]]);
  });
});
