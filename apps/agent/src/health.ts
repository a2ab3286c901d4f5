import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import type { Agent } from './agent.js';
import type { Clock } from './clock.js';
import type { AgentMetrics } from './metrics.js';

export interface HealthOptions {
  readonly agent: Pick<Agent, 'status'>;
  readonly metrics: AgentMetrics;
  readonly clock: Clock;
  /** The loop counts as stuck when no run has ended for so many milliseconds. */
  readonly patience: number;
  readonly host: string;
  readonly port: number;
}

/** Serves /healthz and /metrics. */
export async function serveHealth({ agent, metrics, clock, patience, host, port }: HealthOptions): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = fastify({ logger: false });
  const begun = clock.now();
  server.get('/healthz', async (_request, reply) => {
    const status = agent.status();
    const isStuck = clock.now() - Math.max(begun, status.lastRunAt) > patience;
    return reply.code(isStuck ? 503 : 200).send({ ok: !isStuck, ...status });
  });
  server.get('/metrics', async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()));
  await server.listen({ host, port });
  return { port: (server.server.address() as AddressInfo).port, close: () => server.close() };
}
