import type { AppliedBatch } from '@portolan/kernel';
import type { ObjectKind } from '@portolan/node-state';
import type { Report, Signals } from '@portolan/protocol';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Look } from './desired.js';
import type { DnsStats } from './dns/counters.js';
import type { RelayCounters } from './relay/counters.js';
import type { ProbeOutcome } from './watch/ask.js';
import type { KernelEventOutcome } from './watch/kernel.js';
import type { TrafficOutcome } from './watch/traffic.js';

/** Figures of one agent, in the format of Prometheus. */
export interface AgentMetrics {
  readonly registry: Registry;
  syncEnded(outcome: 'applied' | 'failed' | 'unchanged' | 'idle', seconds: number): void;
  /** delta: a job brought a newer state; fetch, same: the control plane was asked; none: without a usable answer. */
  stateTaken(by: Look['by']): void;
  commandsRan(applied: readonly AppliedBatch[]): void;
  stateSeen(report: Report): void;
  reportEnded(outcome: string): void;
  probeEnded(outcome: ProbeOutcome): void;
  signalsSeen(signals: Signals): void;
  kernelEventsSeen(outcome: KernelEventOutcome, events: number): void;
  /** Objects that were set right although nobody wanted another state: their kinds. */
  driftRepaired(kinds: readonly ObjectKind[]): void;
  signalsSent(): void;
  trafficEnded(outcome: TrafficOutcome): void;
}

/** One series of a figure. */
type Series = readonly [labels: Readonly<Record<string, string>>, value: number];

interface ReadFigure {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly string[];
  readonly read: () => readonly Series[];
}

/** A counter that somebody else counts: it is read when it is asked for. */
function readCounter({ read, labelNames = [], ...config }: ReadFigure, registers: [Registry]): void {
  new Counter({
    ...config,
    labelNames: [...labelNames],
    registers,
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}

function readGauge({ read, ...config }: Omit<ReadFigure, 'labelNames' | 'read'> & { readonly read: () => number }, registers: [Registry]): void {
  new Gauge({
    ...config,
    registers,
    collect() {
      this.set(read());
    },
  });
}

/** The thread of the name server counts. */
function dnsMetrics(stats: () => DnsStats, registers: [Registry]): void {
  const outcomes = ['answered', 'forwarded', 'nxdomain', 'servfail', 'refused', 'dropped'] as const;
  readCounter(
    {
      name: 'portolan_agent_dns_queries_total',
      help: 'Queries of endpoints, by outcome; forwarded: answered by another server.',
      labelNames: ['outcome'],
      read: () => {
        const now = stats();
        return outcomes.map((outcome) => [{ outcome }, now[outcome]]);
      },
    },
    registers,
  );
  readCounter(
    {
      name: 'portolan_agent_dns_forward_seconds_total',
      help: 'Time that forwarded queries took, in seconds.',
      read: () => [[{}, stats().forwardSeconds]],
    },
    registers,
  );
  readGauge({ name: 'portolan_agent_dns_waiting_queries', help: 'Queries that wait for another server.', read: () => stats().open }, registers);
}

/** Figures of the relay as they were read last; none where there is no relay. It counts itself, over restarts of the agent. */
function relayMetrics(counters: () => RelayCounters | undefined, registers: [Registry]): void {
  const byDirection = (sent: 'sent' | 'sentBytes', received: 'received' | 'receivedBytes') => (): readonly Series[] => {
    const now = counters();
    if (now === undefined) return [];
    return [
      [{ direction: 'sent' }, now[sent]],
      [{ direction: 'received' }, now[received]],
    ];
  };
  const labelNames = ['direction'];
  const packets = 'Packets that the relay of flannel carried; sent: from containers to other hosts.';
  readCounter({ name: 'portolan_agent_relay_packets_total', help: packets, labelNames, read: byDirection('sent', 'received') }, registers);
  const bytes = 'Bytes of these packets.';
  readCounter({ name: 'portolan_agent_relay_bytes_total', help: bytes, labelNames, read: byDirection('sentBytes', 'receivedBytes') }, registers);
  readCounter(
    {
      name: 'portolan_agent_relay_dropped_total',
      help: 'Packets that the relay did not carry, by reason.',
      labelNames: ['reason'],
      read: () => Object.entries(counters()?.dropped ?? {}).map(([reason, dropped]) => [{ reason }, dropped]),
    },
    registers,
  );
  const queued = 'Bytes that wait in the receive buffer of the relay.';
  readGauge({ name: 'portolan_agent_relay_queued_bytes', help: queued, read: () => counters()?.queued ?? 0 }, registers);
}

export function agentMetrics(dns?: () => DnsStats): AgentMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers: [Registry] = [registry];
  const syncs = new Counter({ name: 'portolan_agent_syncs_total', help: 'Runs of the loop, by outcome.', labelNames: ['outcome'], registers });
  const syncSeconds = new Histogram({
    name: 'portolan_agent_sync_seconds',
    help: 'Length of a run in seconds.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60],
    registers,
  });
  const states = new Counter({
    name: 'portolan_agent_states_total',
    help: 'Looks for a newer state. delta: the job brought it, and nobody was asked; fetch: the control plane gave it; same: it said that it is the same; none: no usable answer.',
    labelNames: ['by'],
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
  const foreign = new Gauge({
    name: 'portolan_agent_foreign_objects',
    help: 'Things in our own namespaces that we did not make, and foreign rules anywhere that use marks.',
    registers,
  });
  const driftOpen = new Gauge({ name: 'portolan_agent_drift_open', help: 'What is not as it was applied at the moment.', registers });
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
  const probes = new Counter({
    name: 'portolan_agent_probes_total',
    help: 'Health probes, by outcome; not-tried: none could be sent, which counts neither way.',
    labelNames: ['outcome'],
    registers,
  });
  const unhealthy = new Gauge({ name: 'portolan_agent_unhealthy_endpoints', help: 'Endpoints of the node that fail their health check.', registers });
  const connections = new Gauge({ name: 'portolan_agent_draining_connections', help: 'Connections of endpoints that are drained.', registers });
  const signals = new Counter({
    name: 'portolan_agent_signals_sent_total',
    help: 'Reports that were sent again because health, reachability, connections or presence changed between two runs.',
    registers,
  });

  const kernelEvents = new Counter({
    name: 'portolan_agent_kernel_events_total',
    help: 'Changes of the host that the kernel told of. ours: others changed something of ours; own-work: the agent was at work; foreign: no business of ours; lost: times that more came than was kept.',
    labelNames: ['outcome'],
    registers,
  });
  const drift = new Counter({
    name: 'portolan_agent_drift_repaired_total',
    help: 'Kernel objects that were not as they had been made, and were set right, by kind.',
    labelNames: ['kind'],
    registers,
  });
  const readings = new Counter({
    name: 'portolan_agent_traffic_readings_total',
    help: 'Readings of what IPVS has counted, by outcome; unchanged: equal to the one that was sent last, which need not be sent again; refused: the control plane does not take them.',
    labelNames: ['outcome'],
    registers,
  });
  let relay: RelayCounters | undefined;
  relayMetrics(() => relay, registers);
  if (dns !== undefined) dnsMetrics(dns, registers);

  return {
    registry,
    syncEnded: (outcome, seconds) => {
      syncs.inc({ outcome });
      syncSeconds.observe(seconds);
    },
    stateTaken: (by) => states.inc({ by }),
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
      driftOpen.set(report.drift?.open.length ?? 0);
      for (const presence of ['present', 'absent']) endpoints.set({ presence }, Object.values(report.endpoints).filter((p) => p === presence).length);
    },
    reportEnded: (outcome) => reports.inc({ outcome }),
    probeEnded: (outcome) => probes.inc({ outcome }),
    signalsSeen: (seen) => {
      relay = seen.relay;
      unhealthy.set(Object.values(seen.health).filter((health) => health === 'unhealthy').length);
      connections.set(Object.values(seen.connections).reduce((sum, count) => sum + count, 0));
    },
    signalsSent: () => signals.inc(),
    trafficEnded: (outcome) => readings.inc({ outcome }),
    kernelEventsSeen: (outcome, events) => kernelEvents.inc({ outcome }, events),
    driftRepaired: (kinds) => {
      for (const kind of kinds) drift.inc({ kind });
    },
  };
}
