import { parseIpv4 } from '@portolan/model';

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface TlsConfig {
  /** May be empty: then it only signs what another process asks for. */
  readonly listen: readonly ListenAddress[];
  /** Folder of the authority's key. */
  readonly directory: string;
  /** Names and addresses that the servers are called by, beside those that they listen on. */
  readonly names: readonly string[];
}

export interface Config {
  readonly listen: readonly ListenAddress[];
  /** Undefined: nothing listens with TLS, and no host can join. */
  readonly tls: TlsConfig | undefined;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly etcdEndpoints: readonly string[];
  readonly etcdUser: { readonly user: string; readonly password: string } | undefined;
  /** What agents are told, where it differs. */
  readonly publicUrl: string | undefined;
  readonly publicRedisUrl: string | undefined;
  readonly publicEtcdEndpoints: readonly string[] | undefined;
  readonly token: string | undefined;
  readonly logLevel: string;
}

/** A wrong value in the environment: says which, what it is, and what to write. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const DEFAULT_TLS_DIRECTORY = '/var/lib/portolan/tls';

/** Reads the environment. Throws ConfigError with one line for each wrong value. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const read = <T>(name: string, fallback: string, parse: (text: string) => T, example: string): T | undefined => {
    const text = environment[name] ?? fallback;
    try {
      return parse(text);
    } catch {
      faults.push(`${name}=${text} is not valid: write it as ${example}`);
      return undefined;
    }
  };
  /** Undefined where it is not set. */
  const optional = <T>(name: string, parse: (text: string) => T, example: string): T | undefined =>
    (environment[name] ?? '') === '' ? undefined : read(name, '', parse, example);
  const asItIs = (text: string): string => text;

  const listen = read('PORTOLAN_LISTEN', '127.0.0.1:7080', unlessEmpty(parseListen), '127.0.0.1:7080, or several separated by commas');
  const tlsListen = optional('PORTOLAN_TLS_LISTEN', parseListen, '0.0.0.0:7443, or several separated by commas');
  const tlsDirectory = optional('PORTOLAN_TLS_DIR', asItIs, DEFAULT_TLS_DIRECTORY);
  const tlsNames = optional('PORTOLAN_TLS_NAMES', parseNames, 'control.example.org,192.0.2.1');
  const databaseUrl = read(
    'DATABASE_URL',
    'postgresql://localhost:5432/portolan',
    urlOf('postgres:', 'postgresql:'),
    'postgresql://USER:PASSWORD@HOST:5432/DATABASE',
  );
  const redisUrl = read('REDIS_URL', 'redis://127.0.0.1:6379', urlOf('redis:', 'rediss:', 'unix:'), 'redis://HOST:6379');
  const etcdEndpoints = read('ETCD_ENDPOINTS', 'http://127.0.0.1:2379', parseEndpoints, 'http://HOST:2379, or several separated by commas');
  const etcdName = optional('PORTOLAN_ETCD_USER', asItIs, 'root');
  const etcdPassword = optional('PORTOLAN_ETCD_PASSWORD', asItIs, 'any text');
  const publicUrl = optional('PORTOLAN_PUBLIC_URL', urlOf('https:'), 'https://HOST:7443');
  const publicRedisUrl = optional('PORTOLAN_PUBLIC_REDIS_URL', urlOf('redis:', 'rediss:'), 'redis://HOST:6379');
  const publicEtcdEndpoints = optional('PORTOLAN_PUBLIC_ETCD', parseEndpoints, 'http://HOST:2379, or several separated by commas');
  const logLevel = read('LOG_LEVEL', 'info', oneOf(logLevels), `one of ${logLevels.join(', ')}`);
  const token = optional('PORTOLAN_TOKEN', asItIs, 'any text');
  if ((etcdName === undefined) !== (etcdPassword === undefined))
    faults.push('PORTOLAN_ETCD_USER and PORTOLAN_ETCD_PASSWORD are not valid: write both, or neither');
  if (listen?.length === 0 && tlsListen === undefined) faults.push('PORTOLAN_LISTEN= is not valid: write it as 127.0.0.1:7080, or set PORTOLAN_TLS_LISTEN');
  if (
    listen === undefined ||
    databaseUrl === undefined ||
    redisUrl === undefined ||
    etcdEndpoints === undefined ||
    logLevel === undefined ||
    faults.length > 0
  ) {
    throw new ConfigError(faults.join('\n'));
  }
  const names = [...(tlsNames ?? []), ...(publicUrl === undefined ? [] : [hostOf(publicUrl)])];
  const isSecured = tlsListen !== undefined || tlsDirectory !== undefined;
  return {
    listen,
    tls: isSecured ? { listen: tlsListen ?? [], directory: tlsDirectory ?? DEFAULT_TLS_DIRECTORY, names } : undefined,
    databaseUrl,
    redisUrl,
    etcdEndpoints,
    etcdUser: etcdName === undefined || etcdPassword === undefined ? undefined : { user: etcdName, password: etcdPassword },
    publicUrl,
    publicRedisUrl,
    publicEtcdEndpoints,
    logLevel,
    token,
  };
}

function parseListen(text: string): readonly ListenAddress[] {
  return text.split(',').map((part) => {
    const [, host = '', port = ''] = /^\[?([^\]\s]+?)\]?:([0-9]{1,5})$/.exec(part.trim()) ?? [];
    if (host === '' || Number(port) > 65535) throw new ConfigError(part);
    if (/^[0-9.]+$/.test(host)) parseIpv4(host);
    return { host, port: Number(port) };
  });
}

/** DNS names and addresses. */
function parseNames(text: string): readonly string[] {
  return text.split(',').map((part) => {
    const name = part.trim();
    if (!/^[A-Za-z0-9]([A-Za-z0-9.-]{0,252})$|^[0-9A-Fa-f:]{2,45}$/.test(name)) throw new ConfigError(part);
    if (/^[0-9.]+$/.test(name)) parseIpv4(name);
    return name;
  });
}

function parseEndpoints(text: string): readonly string[] {
  const check = urlOf('http:', 'https:');
  return text.split(',').map((part) => check(part.trim()));
}

function unlessEmpty<T>(parse: (text: string) => readonly T[]): (text: string) => readonly T[] {
  return (text) => (text === '' ? [] : parse(text));
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '');
}

function urlOf(...protocols: readonly string[]): (text: string) => string {
  return (text) => {
    if (!protocols.includes(new URL(text).protocol)) throw new ConfigError(text);
    return text;
  };
}

function oneOf(choices: readonly string[]): (text: string) => string {
  return (text) => {
    if (!choices.includes(text)) throw new ConfigError(text);
    return text;
  };
}
