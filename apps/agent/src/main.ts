import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { establishedConnections, holdRunDirectory, kernelEvents, openLinuxKernel, underlayOf } from '@portolan/kernel';
import { PortolanError } from '@portolan/model';
import { openCoordination } from '@portolan/store/etcd';
import { createMemoryCoordination, createMemoryQueue } from '@portolan/store/memory';
import { openHintSource } from '@portolan/store/queue';
import { type Logger, pino } from 'pino';
import { createAgent } from './agent.js';
import { systemClock } from './clock.js';
import { readSettings, type Settings, usage } from './config.js';
import { httpControlPlane } from './control-plane.js';
import { openNameServer } from './dns/name-server.js';
import { ledgerFile } from './ledger.js';
import { agentMetrics } from './metrics.js';
import { relayProgram, udpRelay } from './relay/udp-relay.js';
import { dial } from './watch/dial.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

function openLedger({ stateDirectory }: Settings, log: Logger) {
  return ledgerFile(join(stateDirectory, 'ledger.json'), (error) => log.error({ err: error }, 'the ledger is damaged and counts as empty'));
}

/** The relay is a program of its own: it goes on when the agent stops, and ends when its device is deleted, as by `purge`. */
function openRelay({ runDirectory }: Settings, log: Logger) {
  return udpRelay({ runDirectory, program: relayProgram(), log });
}

async function purge(settings: Settings, log: Logger): Promise<void> {
  const { desired, retiring } = await openLedger(settings, log).read();
  const { runDirectory, fileRoot } = settings;
  await openLinuxKernel({ runDirectory, fileRoot, relay: openRelay(settings, log) }).purge({ ...desired?.state.endpoints, ...retiring });
  await rm(join(settings.stateDirectory, 'ledger.json'), { force: true });
  log.info({ runDirectory }, 'purged: nothing of Portolan is left on this node');
}

async function run(settings: Settings, log: Logger): Promise<void> {
  const { cluster, node, runDirectory, fileRoot } = settings;
  const names = openNameServer({ clock: systemClock, log });
  const relay = openRelay(settings, log);
  const metrics = agentMetrics(names.stats);
  const hints =
    settings.redisUrl === undefined ? createMemoryQueue().source(cluster, node) : openHintSource({ redisUrl: settings.redisUrl, cluster, node, log });
  const coordination = settings.etcdEndpoints.length === 0 ? createMemoryCoordination() : openCoordination({ endpoints: settings.etcdEndpoints, log });
  const agent = createAgent(
    { cluster, node, version, resync: settings.resync },
    {
      kernel: openLinuxKernel({ runDirectory, fileRoot, names, relay }),
      names,
      kernelEvents,
      sight: { dial, establishedConnections, underlay: underlayOf, relay: relay.counters },
      controlPlane: httpControlPlane(settings),
      ledger: openLedger(settings, log),
      hints,
      coordination,
      clock: systemClock,
      log,
      metrics,
    },
  );
  // Most agents serve nothing, and need not load a web server.
  const health = settings.listen && (await (await import('./health.js')).serveHealth({ agent, metrics, patience: 4, ...settings.listen }));
  if (health !== undefined) log.info({ port: health.port }, 'serving /healthz and /metrics');
  await agent.start();
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  log.info({}, 'stopping');
  await health?.close();
  await agent.stop();
  await names.close();
  await coordination.close();
}

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2), process.env);
  if (settings.command === 'help') {
    process.stdout.write(usage);
    return;
  }
  const log = pino({ level: settings.logLevel, base: { cluster: settings.cluster, node: settings.node }, timestamp: pino.stdTimeFunctions.isoTime });
  const release = await holdRunDirectory(settings.runDirectory);
  try {
    await (settings.command === 'purge' ? purge(settings, log) : run(settings, log));
  } finally {
    await release();
  }
}

try {
  await main();
  // Connections that are still trying to come back must not keep the process.
  process.exit(0);
} catch (error) {
  const lines = error instanceof PortolanError ? error.problems.map(({ message, fix }) => `${message}\n  ${fix}`) : [String(error)];
  process.stderr.write(`portolan-agent: ${lines.join('\n')}\n`);
  process.exit(1);
}
