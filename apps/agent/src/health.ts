import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import type { AccessStatus } from './credentials/access.js';
import type { AgentMetrics } from './metrics.js';
import type { Agent } from './ports.js';

export interface HealthOptions {
  readonly agent: Pick<Agent, 'status' | 'idleFor'>;
  readonly metrics: AgentMetrics;
  /** Whether the control plane lets this agent in. It is told, and is no reason to start the agent anew. */
  readonly access?: () => AccessStatus;
  /** The loop counts as stuck when no run has ended for so many times the resync time. */
  readonly patience: number;
  readonly host: string;
  readonly port: number;
}

/** Serves /healthz and /metrics. */
export async function serveHealth({ agent, metrics, access, patience, host, port }: HealthOptions): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = fastify({ logger: false });
  server.get('/healthz', async (_request, reply) => {
    const status = agent.status();
    const isStuck = agent.idleFor() > patience * status.resync;
    return reply.code(isStuck ? 503 : 200).send({ ok: !isStuck, ...status, ...(access === undefined ? {} : { access: access() }) });
  });
  server.get('/metrics', async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()));
  await server.listen({ host, port });
  return { port: (server.server.address() as AddressInfo).port, close: () => server.close() };
}
