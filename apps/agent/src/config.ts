import { isIPv4 } from 'node:net';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { PortolanError, type Problem, problem } from '@portolan/model';
import type { JoinSettings } from './credentials/credentials-of.js';

export interface Settings {
  readonly command: 'run' | 'join' | 'purge' | 'help';
  readonly url: string;
  readonly token: string | undefined;
  readonly redisUrl: string | undefined;
  readonly etcdEndpoints: readonly string[];
  readonly cluster: string;
  readonly node: string;
  readonly joining: JoinSettings;
  readonly runDirectory: string;
  readonly stateDirectory: string;
  /** Folder that the paths of a state's files begin at. */
  readonly fileRoot: string;
  readonly listen: { readonly host: string; readonly port: number } | undefined;
  readonly logLevel: string;
  /** Milliseconds. */
  readonly resync: number;
  /** Milliseconds between two readings of what IPVS has counted; 0: none. */
  readonly traffic: number;
}

/** Each setting: its flag, its variable, its default, and what it is. */
const settings = {
  join: {
    variable: 'PORTOLAN_JOIN_TOKEN',
    byDefault: '',
    about: 'join token, used while this host has no credentials that count; - reads it from standard input',
  },
  'join-file': { variable: 'PORTOLAN_JOIN_FILE', byDefault: '', about: 'file with the join token: on the command line others see it (ps)' },
  server: { variable: 'PORTOLAN_SERVER', byDefault: '', about: 'https URL of the control plane to join' },
  name: { variable: 'PORTOLAN_NAME', byDefault: '', about: 'name to join by; that of --node unless given' },
  address: {
    variable: 'PORTOLAN_ADDRESS',
    byDefault: '',
    about: 'address of this host on the underlay; that by which it reaches the control plane unless given',
  },
  url: { variable: 'PORTOLAN_URL', byDefault: 'http://127.0.0.1:7080', about: 'base URL of the control plane' },
  token: { variable: 'PORTOLAN_TOKEN', byDefault: '', about: 'token of the control plane, if it asks for one' },
  redis: { variable: 'REDIS_URL', byDefault: '', about: 'Redis with the jobs; without it changes are found by revision and timer' },
  etcd: { variable: 'ETCD_ENDPOINTS', byDefault: '', about: 'client URLs of etcd, separated by commas; without it the node is not shown as alive' },
  cluster: { variable: 'PORTOLAN_CLUSTER', byDefault: 'default', about: 'name of the cluster' },
  node: { variable: 'PORTOLAN_NODE', byDefault: '', about: 'name of this node; the host name unless given' },
  'run-dir': { variable: 'PORTOLAN_RUN_DIR', byDefault: '/run/portolan', about: 'folder for namespaces, empty after a boot' },
  'state-dir': { variable: 'PORTOLAN_STATE_DIR', byDefault: '/var/lib/portolan', about: 'folder for the last accepted state' },
  'file-root': { variable: 'PORTOLAN_FILE_ROOT', byDefault: '/', about: 'folder in which /run/flannel and /etc/cni are written' },
  listen: { variable: 'PORTOLAN_AGENT_LISTEN', byDefault: '', about: 'HOST:PORT of /healthz and /metrics; off unless given' },
  'log-level': { variable: 'PORTOLAN_LOG_LEVEL', byDefault: 'info', about: 'debug, info, warn or error' },
  resync: {
    variable: 'PORTOLAN_RESYNC_SECONDS',
    byDefault: '30',
    about: 'seconds between two looks at the kernel that nobody asked for, unless the state says',
  },
  traffic: {
    variable: 'PORTOLAN_TRAFFIC_SECONDS',
    byDefault: '10',
    about: 'seconds between two readings of what IPVS has counted; 0: none',
  },
} as const;
type Setting = keyof typeof settings;

export const usage = `portolan-agent [run | join | purge] [OPTIONS]

  run     observe, plan, apply and report until it is stopped; the data path stays then
  join    get credentials, and end: for a service that is started later
  purge   remove everything of Portolan from this node, but its credentials

A host that has joined (--join) works with the credentials in the state folder, and needs none of --url, --token, --redis, --etcd, --cluster, --node.

${Object.entries(settings)
  .map(([flag, { variable, byDefault, about }]) => `  --${flag.padEnd(10)} ${variable.padEnd(24)} ${about}${byDefault === '' ? '' : ` (${byDefault})`}`)
  .join('\n')}
`;

function parseListen(text: string, problems: Problem[]): Settings['listen'] {
  if (text === '') return undefined;
  const match = /^(.*):(\d{1,5})$/.exec(text);
  if (match?.[1] === undefined || Number(match[2]) > 65535) {
    problems.push(problem('invalid-document', '/listen', `"${text}" is not HOST:PORT`, 'Write an address and a port, such as 127.0.0.1:9470.'));
    return undefined;
  }
  return { host: match[1].replace(/^\[(.*)\]$/, '$1') || '0.0.0.0', port: Number(match[2]) };
}

function parseUrl(name: Setting, text: string, protocols: readonly string[], problems: Problem[]): string {
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
    problems.push(
      problem('invalid-document', `/${name}`, `"${text}" is no URL of ${protocols.join(' or ')}`, `Correct --${name} or ${settings[name].variable}.`),
    );
  }
  return text;
}

/** Variables with something that no other program needs to know. */
export const secretVariables: readonly string[] = [settings.join.variable, settings.token.variable, settings.redis.variable];

/** Settings from flags, then from the environment, then their defaults. Fails with `invalid-document`, naming all that is wrong. */
export function readSettings(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): Settings {
  const problems: Problem[] = [];
  let values: Partial<Record<string, string | boolean>> = {};
  let positionals: string[] = [];
  try {
    const options = Object.fromEntries(Object.keys(settings).map((flag) => [flag, { type: 'string' as const }]));
    ({ values, positionals } = parseArgs({ args: [...argv], options: { ...options, help: { type: 'boolean', short: 'h' } }, allowPositionals: true }));
  } catch (error) {
    problems.push(problem('unknown-field', '', error instanceof Error ? error.message : String(error), 'See portolan-agent --help.'));
  }
  const settingOf = (name: Setting): string => {
    const flag = values[name];
    if (typeof flag === 'string') return flag;
    return environment[settings[name].variable] || settings[name].byDefault;
  };
  const [command = 'run', ...others] = values.help === true ? ['help'] : positionals;
  if (others.length > 0 || !['run', 'join', 'purge', 'help'].includes(command)) {
    problems.push(problem('unknown-field', '', `"${[command, ...others].join(' ')}" is no command`, 'See portolan-agent --help.'));
  }
  const url = parseUrl('url', settingOf('url'), ['http:', 'https:'], problems);
  const redis = settingOf('redis');
  if (redis !== '') parseUrl('redis', redis, ['redis:', 'rediss:'], problems);
  const etcdEndpoints = settingOf('etcd')
    .split(',')
    .filter((endpoint) => endpoint !== '');
  const resync = Number(settingOf('resync'));
  if (!(resync >= 1 && resync <= 86_400))
    problems.push(problem('invalid-document', '/resync', `resync is "${settingOf('resync')}"`, 'Write 1 to 86400 seconds.'));
  const traffic = Number(settingOf('traffic'));
  if (!(traffic === 0 || (traffic >= 1 && traffic <= 86_400)))
    problems.push(problem('invalid-document', '/traffic', `traffic is "${settingOf('traffic')}"`, 'Write 1 to 86400 seconds, or 0 for none.'));
  const fileRoot = settingOf('file-root');
  if (!fileRoot.startsWith('/'))
    problems.push(problem('invalid-document', '/file-root', `"${fileRoot}" is no absolute path`, 'Write a path that begins with /.'));
  const listen = parseListen(settingOf('listen'), problems);
  const server = settingOf('server');
  if (server !== '') parseUrl('server', server, ['https:'], problems);
  const address = settingOf('address');
  if (address !== '' && !isIPv4(address)) problems.push(problem('invalid-address', '/address', `"${address}" is no IPv4 address`));
  const node = settingOf('node') || hostname();
  const [first, ...rest] = problems;
  if (first !== undefined) throw new PortolanError([first, ...rest]);
  return {
    command: command as Settings['command'],
    url,
    token: settingOf('token') || undefined,
    redisUrl: redis || undefined,
    etcdEndpoints,
    cluster: settingOf('cluster'),
    node,
    joining: {
      token: settingOf('join') || undefined,
      file: settingOf('join-file') || undefined,
      server: server || undefined,
      name: settingOf('name') || node,
      address: address || undefined,
    },
    runDirectory: settingOf('run-dir'),
    stateDirectory: settingOf('state-dir'),
    fileRoot,
    listen,
    logLevel: settingOf('log-level'),
    resync: resync * 1000,
    traffic: traffic * 1000,
  };
}
