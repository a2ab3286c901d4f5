import { openNodeAccess } from '@portolan/store/access';
import { openCoordination, openFlannelRegistry } from '@portolan/store/etcd';
import { openPostgresCredentials, openPostgresStore } from '@portolan/store/postgres';
import { openHintQueue } from '@portolan/store/queue';
import { pino } from 'pino';
import { openAuthority } from './application/credentials/authority.js';
import { systemClock } from './clock.js';
import { ConfigError, readConfig } from './config.js';
import { listenOn } from './listen.js';
import { randomId } from './new-id.js';
import { buildControlPlane } from './server.js';

/** A stop that takes longer than this many milliseconds is not waited for. */
const STOP_TIMEOUT_MS = 10_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = pino({ level: config.logLevel, base: { program: 'portolan-control-plane' } });
  const store = openPostgresStore({ url: config.databaseUrl, log });
  const queue = openHintQueue({ redisUrl: config.redisUrl, log });
  const credentials = openPostgresCredentials({ url: config.databaseUrl, log });
  const etcd = { endpoints: config.etcdEndpoints, user: config.etcdUser, log };
  const coordination = openCoordination(etcd);
  const registry = openFlannelRegistry(etcd);
  const authority = config.tls === undefined ? undefined : await openAuthority(config.tls.directory, systemClock.now());
  const access = authority === undefined ? undefined : openNodeAccess({ ...config, secret: authority.accessSecret, log });
  const { app, start, stop } = await buildControlPlane({
    ...{ store, queue, coordination, registry, credentials, authority, access },
    clock: systemClock,
    newId: randomId,
    log,
    token: config.token,
    publicUrl: config.publicUrl,
  });

  let stops = false;
  const end = (signal: string): void => {
    if (stops) return;
    stops = true;
    log.info({ signal }, 'stopping');
    const late = setTimeout(() => process.exit(1), STOP_TIMEOUT_MS);
    late.unref();
    stop()
      .then(() => Promise.allSettled([store.close(), queue.close(), coordination.close(), registry.close(), credentials.close(), access?.close()]))
      .then(() => process.exit(0))
      .catch((error: unknown) => {
        log.error({ err: error }, 'could not stop in order');
        process.exit(1);
      });
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);

  const tls =
    config.tls === undefined || authority === undefined ? undefined : { ...config.tls, addresses: config.tls.listen, authority, now: systemClock.now };
  const urls = await listenOn(app, config.listen, tls);
  if (config.token === undefined && config.listen.length > 0) {
    log.warn({ urls: urls.slice(0, config.listen.length) }, 'whoever reaches these addresses may do everything, as PORTOLAN_TOKEN is not set');
  }
  log.info({ urls, dashboard: `${urls[0]}/`, docs: `${urls[0]}/docs`, graphiql: `${urls[0]}/graphiql` }, 'listening');
  await start();
  if (!stops) log.info('ready');
}

main().catch((error: unknown) => {
  if (error instanceof ConfigError) console.error(error.message);
  else console.error(error);
  process.exit(1);
});
