import { execFile } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { reasonOf } from '../exchange.js';
import { CommandFailure, exitCodes } from '../failure.js';

const run = promisify(execFile);
/** The host of a large swarm has some thousands of neighbours and rules. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

interface Section {
  readonly name: string;
  readonly program: string;
  readonly arguments: readonly string[];
  /** Debian package of the program. */
  readonly package: string;
}

/** Sections of a dump in their order, as `packages/dump` reads them. */
const sections: readonly Section[] = [
  { name: 'addr', program: 'ip', arguments: ['-d', 'addr'], package: 'iproute2' },
  { name: 'route', program: 'ip', arguments: ['route', 'show', 'table', 'all'], package: 'iproute2' },
  { name: 'neigh', program: 'ip', arguments: ['neigh'], package: 'iproute2' },
  { name: 'fdb', program: 'bridge', arguments: ['fdb'], package: 'iproute2' },
  { name: 'iptables', program: 'iptables-save', arguments: [], package: 'iptables' },
  { name: 'ipvs', program: 'ipvsadm', arguments: ['-Sn'], package: 'ipvsadm' },
  { name: 'sysctl', program: 'sysctl', arguments: ['-a'], package: 'procps' },
];
const settings = /net\.ipv4\.vs|route_localnet|ip_forward|conf\.(all|default)\.(arp_|forwarding)/;
/** What ip says of a veth whose other end is in a namespace without a name; it shows the link all the same. */
const noise = /^Error: Peer netns reference is invalid\.$/;

/** A namespace to look into: the host's own, or a file that it is mounted on. */
export interface Place {
  /** As in the names of a collection's files. */
  readonly name: string;
  readonly file: string | null;
}

export interface Dump {
  /** null: the namespace vanished, or the file is none. */
  readonly text: string | null;
  readonly notes: readonly string[];
}

/**
 * The host and the namespaces in a directory. One that is the host's, as that of containers with `--network host`, is not there twice.
 * Throws a command failure when the directory cannot be read.
 */
export function placesIn(directory: string, notes: string[]): readonly Place[] {
  const host: Place = { name: 'host', file: null };
  let names: readonly string[];
  try {
    names = readdirSync(directory).sort();
  } catch (error) {
    if (isMissing(error)) {
      notes.push(`there is no ${directory}: Docker has no namespaces on this host; name another directory with --netns-directory`);
      return [host];
    }
    throw new CommandFailure(exitCodes.refused, `cannot read ${directory}: ${reasonOf(error)}`, 'Run it as root.', [], { cause: error });
  }
  const own = statSync('/proc/self/ns/net').ino;
  const files = names.map((name): Place => ({ name, file: join(directory, name) }));
  return [host, ...files.filter(({ file }) => file !== null && inodeOf(file) !== own)];
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino;
  } catch {
    // It has vanished: `dumpOf` says so.
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The kernel state of one namespace as text. A section whose tool fails is left out with its head, so that readers know it was not collected. */
export async function dumpOf({ name, file }: Place): Promise<Dump> {
  const notes: string[] = [];
  const parts: string[] = [];
  for (const section of sections) {
    const output = await outputOf(section, file);
    if (file !== null && !existsSync(file)) return { text: null, notes: [`the namespace ${name} vanished while it was collected`] };
    if ('none' in output) return { text: null, notes: [`${file} is no namespace: ${output.none}`] };
    if ('missing' in output) notes.push(`${name}: no "# ${section.name}", ${output.missing}`);
    else parts.push(`# ${section.name}\n${output.text}`);
  }
  return { text: parts.join(''), notes };
}

type Output = { readonly text: string } | { readonly missing: string } | { readonly none: string };

async function outputOf({ name, program, arguments: options, package: from }: Section, file: string | null): Promise<Output> {
  const [command, ...rest] = file === null ? [program, ...options] : ['nsenter', `--net=${file}`, program, ...options];
  try {
    const { stdout } = await run(command ?? program, rest, { maxBuffer: MAX_OUTPUT_BYTES, env: { ...process.env, LC_ALL: 'C' } });
    return { text: name === 'sysctl' ? filtered(stdout) : stdout };
  } catch (error) {
    return failedOutput(error, { name, program, from, command: command ?? program });
  }
}

interface Failed {
  readonly name: string;
  readonly program: string;
  readonly from: string;
  readonly command: string;
}

function failedOutput(error: unknown, { name, program, from, command }: Failed): Output {
  const { code, stdout = '', stderr = '' } = error as { readonly code?: number | string; readonly stdout?: string; readonly stderr?: string };
  const said = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !noise.test(line));
  if (command === 'nsenter' && code === 'ENOENT') throw new CommandFailure(exitCodes.refused, 'nsenter is not here', 'Install the package util-linux.');
  if (code === 'ENOENT' || said.some((line) => line.includes(`failed to execute ${program}`)))
    return { missing: `${program} is not here: install the package ${from}` };
  const entering = said.find((line) => line.startsWith('nsenter: '));
  if (entering !== undefined) return { none: entering.slice('nsenter: '.length) };
  // Some keys are for nobody to read.
  if (name === 'sysctl' && stdout !== '') return { text: filtered(stdout) };
  if (said.length === 0 && stdout !== '') return { text: stdout };
  // Without the module there are no virtual servers.
  if (name === 'ipvs' && said.some((line) => line.includes('Protocol not available'))) return { text: '' };
  return { missing: `${program} failed: ${said[0] ?? reasonOf(error)}` };
}

function filtered(text: string): string {
  return text
    .split('\n')
    .filter((line) => settings.test(line))
    .map((line) => `${line}\n`)
    .join('');
}
