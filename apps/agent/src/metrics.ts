import type { AppliedBatch } from '@portolan/kernel';
import type { Report } from '@portolan/protocol';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Figures of one agent, in the format of Prometheus. */
export interface AgentMetrics {
  readonly registry: Registry;
  syncEnded(outcome: 'applied' | 'failed' | 'unchanged' | 'idle', seconds: number): void;
  commandsRan(applied: readonly AppliedBatch[]): void;
  stateSeen(report: Report): void;
  reportEnded(outcome: string): void;
}

export function agentMetrics(): AgentMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const syncs = new Counter({ name: 'portolan_agent_syncs_total', help: 'Runs of the loop, by outcome.', labelNames: ['outcome'], registers });
  const syncSeconds = new Histogram({
    name: 'portolan_agent_sync_seconds',
    help: 'Length of a run in seconds.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
    registers,
  });
  const steps = new Counter({ name: 'portolan_agent_steps_total', help: 'Changes of kernel objects, by action.', labelNames: ['action'], registers });
  const commands = new Counter({
    name: 'portolan_agent_commands_total',
    help: 'Batches applied, by tool and outcome.',
    labelNames: ['tool', 'outcome'],
    registers,
  });
  const commandSeconds = new Counter({
    name: 'portolan_agent_command_seconds_total',
    help: 'Time spent in batches, in seconds, by tool.',
    labelNames: ['tool'],
    registers,
  });
  const generation = new Gauge({ name: 'portolan_agent_generation', help: 'Generation of the state that was applied last.', registers });
  const revision = new Gauge({ name: 'portolan_agent_applied_revision', help: 'Revision of the intent that was applied last.', registers });
  const objects = new Gauge({ name: 'portolan_agent_objects', help: 'Objects of ours in the kernel.', registers });
  const foreign = new Gauge({ name: 'portolan_agent_foreign_objects', help: 'Things in our own namespaces that we did not make.', registers });
  const endpoints = new Gauge({
    name: 'portolan_agent_endpoints',
    help: 'Endpoints of the node, by presence of their namespace.',
    labelNames: ['presence'],
    registers,
  });
  const reports = new Counter({
    name: 'portolan_agent_reports_total',
    help: 'Reports, by outcome; replaced: a newer one came before delivery.',
    labelNames: ['outcome'],
    registers,
  });

  return {
    registry,
    syncEnded: (outcome, seconds) => {
      syncs.inc({ outcome });
      syncSeconds.observe(seconds);
    },
    commandsRan: (applied) => {
      for (const { batch, exitCode, milliseconds } of applied) {
        commands.inc({ tool: batch.tool, outcome: exitCode === 0 ? 'ok' : 'failed' });
        commandSeconds.inc({ tool: batch.tool }, milliseconds / 1000);
      }
    },
    stateSeen: (report) => {
      for (const { action } of report.steps) steps.inc({ action });
      if (report.status === 'applied') {
        generation.set(report.generation);
        revision.set(report.revision);
      }
      objects.set(report.observed.objects?.length ?? 0);
      foreign.set(report.observed.foreign.length);
      for (const presence of ['present', 'absent']) endpoints.set({ presence }, Object.values(report.endpoints).filter((p) => p === presence).length);
    },
    reportEnded: (outcome) => reports.inc({ outcome }),
  };
}
