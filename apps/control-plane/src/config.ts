import { parseIpv4 } from '@portolan/model';

/** An address to listen on. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface Config {
  readonly listen: readonly ListenAddress[];
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly etcdEndpoints: readonly string[];
  readonly token: string | undefined;
  readonly logLevel: string;
}

/** A wrong value in the environment: says which, what it is, and what to write. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

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
  const listen = read('PORTOLAN_LISTEN', '127.0.0.1:7080', parseListen, '127.0.0.1:7080, or several separated by commas');
  const databaseUrl = read(
    'DATABASE_URL',
    'postgresql://localhost:5432/portolan',
    urlOf('postgres:', 'postgresql:'),
    'postgresql://USER:PASSWORD@HOST:5432/DATABASE',
  );
  const redisUrl = read('REDIS_URL', 'redis://127.0.0.1:6379', urlOf('redis:', 'rediss:', 'unix:'), 'redis://HOST:6379');
  const etcdEndpoints = read('ETCD_ENDPOINTS', 'http://127.0.0.1:2379', parseEndpoints, 'http://HOST:2379, or several separated by commas');
  const logLevel = read('LOG_LEVEL', 'info', oneOf(logLevels), `one of ${logLevels.join(', ')}`);
  const token = read('PORTOLAN_TOKEN', '', (text) => text, 'any text');
  if (listen === undefined || databaseUrl === undefined || redisUrl === undefined || etcdEndpoints === undefined || logLevel === undefined) {
    throw new ConfigError(faults.join('\n'));
  }
  return { listen, databaseUrl, redisUrl, etcdEndpoints, logLevel, token: token === '' ? undefined : token };
}

function parseListen(text: string): readonly ListenAddress[] {
  return text.split(',').map((part) => {
    const [, host = '', port = ''] = /^\[?([^\]\s]+?)\]?:([0-9]{1,5})$/.exec(part.trim()) ?? [];
    if (host === '' || Number(port) > 65535) throw new ConfigError(part);
    if (/^[0-9.]+$/.test(host)) parseIpv4(host);
    return { host, port: Number(port) };
  });
}

function parseEndpoints(text: string): readonly string[] {
  const check = urlOf('http:', 'https:');
  return text.split(',').map((part) => check(part.trim()));
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
