import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { establishedConnections, holdRunDirectory, kernelEvents, openLinuxKernel, serverCounters, underlayOf } from '@portolan/kernel';
import { PortolanError, portolanError } from '@portolan/model';
import { type Logger, pino } from 'pino';
import { createAgent } from './agent.js';
import { systemClock } from './clock.js';
import { readSettings, type Settings, secretVariables, usage } from './config.js';
import { joinedConnections, plainConnections } from './credentials/connections.js';
import { credentialsOf } from './credentials/credentials-of.js';
import { type CredentialsFile, credentialsFile, type HeldCredentials } from './credentials/held.js';
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

function openLog({ logLevel }: Settings, { cluster, node }: { readonly cluster?: string; readonly node?: string }): Logger {
  return pino({ level: logLevel, base: { cluster, node }, timestamp: pino.stdTimeFunctions.isoTime });
}

async function purge(settings: Settings, log: Logger): Promise<void> {
  const { desired, retiring } = await openLedger(settings, log).read();
  const { runDirectory, fileRoot } = settings;
  await openLinuxKernel({ runDirectory, fileRoot, relay: openRelay(settings, log) }).purge({ ...desired?.state.endpoints, ...retiring });
  for (const name of ['ledger.json', 'ledger.changes']) await rm(join(settings.stateDirectory, name), { force: true });
  log.info({ runDirectory }, 'purged: nothing of Portolan is left on this node');
}

/** Where the agent works, and how it says so. */
interface Place {
  readonly held: HeldCredentials | undefined;
  readonly file: CredentialsFile;
  readonly log: Logger;
}

async function run(settings: Settings, { held, file, log }: Place): Promise<void> {
  const { cluster, node } = held ?? settings;
  const { runDirectory, fileRoot } = settings;
  const connections = held === undefined ? plainConnections(settings, log) : joinedConnections({ held, file, clock: systemClock, log });
  const names = openNameServer({ clock: systemClock, log });
  const relay = openRelay(settings, log);
  const metrics = agentMetrics(names.stats);
  const agent = createAgent(
    { cluster, node, version, resync: settings.resync, traffic: settings.traffic },
    {
      kernel: openLinuxKernel({ runDirectory, fileRoot, names, relay }),
      names,
      kernelEvents,
      sight: { dial, establishedConnections, underlay: underlayOf, relay: relay.counters, serverCounters },
      controlPlane: connections.controlPlane,
      ledger: openLedger(settings, log),
      hints: connections.hints,
      coordination: connections.coordination,
      clock: systemClock,
      log,
      metrics,
    },
  );
  // Most agents serve nothing, and need not load a web server.
  const health =
    settings.listen && (await (await import('./health.js')).serveHealth({ agent, metrics, access: connections.access, patience: 4, ...settings.listen }));
  if (health !== undefined) log.info({ port: health.port }, 'serving /healthz and /metrics');
  await agent.start();
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });
  log.info({}, 'stopping');
  await health?.close();
  await agent.stop();
  await names.close();
  await connections.close();
}

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2), process.env);
  if (settings.command === 'help') {
    process.stdout.write(usage);
    return;
  }
  for (const name of secretVariables) delete process.env[name];
  const release = await holdRunDirectory(settings.runDirectory);
  try {
    const file = credentialsFile(join(settings.stateDirectory, 'credentials.json'));
    if (settings.command === 'purge') return await purge(settings, openLog(settings, settings));
    const held = await credentialsOf(settings.joining, file, openLog(settings, {}), systemClock.today);
    if (settings.command === 'run') return await run(settings, { held, file, log: openLog(settings, held ?? settings) });
    if (held === undefined) throw portolanError('invalid-document', '/join', 'there is no join token', { fix: 'Give one: --join-file FILE, or --join -.' });
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
