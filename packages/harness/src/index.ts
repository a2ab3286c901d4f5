export { type RunningServers, type ServersOptions, startServers, stopLeftovers } from './servers/all.js';
export { startEtcd } from './servers/etcd.js';
export { type PostgresOptions, startPostgres } from './servers/postgres.js';
export { startRedis } from './servers/redis.js';
export type { RunningServer, ServerOptions } from './servers/server-process.js';
