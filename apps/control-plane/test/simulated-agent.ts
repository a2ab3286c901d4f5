import { type DesiredState, noSignals, PROTOCOL_VERSION, type Report, type Signals } from '@portolan/protocol';
import type { Coordination } from '@portolan/store';
import { onTestFinished } from 'vitest';
import type { TestPlane } from './test-plane.js';

/** Says that it applied what it was told; touches no kernel. */
export class SimulatedAgent {
  #held: DesiredState | undefined;
  #etag: string | undefined;
  /** What it counts at each endpoint that leaves. */
  connections = 0;
  /** What it sees of its host. */
  host: Pick<Signals, 'underlayLink' | 'onLink' | 'underlayMtu' | 'relay'> = {};

  constructor(
    private readonly plane: Pick<TestPlane, 'send'>,
    private readonly cluster: string,
    readonly node: string,
  ) {}

  /** Asks for the newest state and reports on it once. */
  async sync(change: Partial<Report> = {}): Promise<void> {
    const url = `/v1/agents/${this.cluster}/${this.node}`;
    const answer = await this.plane.send('GET', `${url}/state`, undefined, this.#etag === undefined ? {} : { 'if-none-match': this.#etag });
    if (answer.status === 404) return;
    if (answer.status === 200) this.#held = answer.body as unknown as DesiredState;
    this.#etag = String(answer.headers.etag);
    if (this.#held === undefined) throw new Error(`state answered ${answer.status}`);
    const report = { ...this.report(this.#held, Number(answer.headers['portolan-revision'])), ...change };
    const taken = await this.plane.send('POST', `${url}/reports`, report);
    // It was deleted in between.
    if (taken.status === 404) return;
    if (taken.status !== 200) throw new Error(`report answered ${taken.status}: ${JSON.stringify(taken.body)}`);
  }

  report({ state, generation }: DesiredState, revision: number): Report {
    const now = new Date().toISOString();
    return {
      protocol: PROTOCOL_VERSION,
      agentVersion: 'simulated',
      generation,
      revision,
      stateHash: state.hash,
      status: 'applied',
      startedAt: now,
      finishedAt: now,
      steps: [],
      commands: [],
      errors: [],
      waiting: [],
      endpoints: Object.fromEntries(Object.keys(state.endpoints).map((id) => [id, 'present' as const])),
      signals: { ...noSignals, ...this.host, connections: Object.fromEntries(state.watch.draining.map((id) => [id, this.connections])) },
      observed: {
        hash: `seen-${state.hash}`,
        objects: state.objects.map(({ key, hash, space, body }) => ({ key, hash, space, kind: body.kind, body })),
        foreign: [],
      },
      facts: { kernel: 'simulated' },
    };
  }
}

/** Agents of all nodes that sync on every revision in the key that they watch, until the test ends. */
export async function runAgents(
  plane: TestPlane,
  cluster: string,
  nodes: readonly string[],
  host: SimulatedAgent['host'] = {},
): Promise<readonly SimulatedAgent[]> {
  const coordination: Coordination = plane.coordination;
  const agents = nodes.map((node) => new SimulatedAgent(plane, cluster, node));
  for (const agent of agents) agent.host = host;
  let work: Promise<unknown> = Promise.resolve();
  let ended = false;
  const end = await coordination.watchRevision(cluster, () => {
    for (const agent of agents) {
      work = work.then(async () => {
        if (!ended) await agent.sync();
      });
    }
  });
  onTestFinished(async () => {
    ended = true;
    await end();
    await work;
  });
  return agents;
}
