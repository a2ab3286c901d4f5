import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { reasonOf } from '../exchange.js';
import { CommandFailure, exitCodes, usageFailure } from '../failure.js';
import { dumpOf, placesIn } from './collect-dump.js';
import { Engine, flagField, textField } from './collect-engine.js';

export interface CollectOptions {
  /** `unix://PATH` */
  readonly host: string;
  readonly netnsDirectory: string;
  /** NODE in the names of the files; the host name that Docker has unless given. */
  readonly node: string | undefined;
}

export interface Collected {
  readonly node: string;
  /** Whether services, tasks and nodes are among the files. */
  readonly manager: boolean;
  /** Names of the files that were written. */
  readonly files: readonly string[];
  /** What is not in them, a sentence each. */
  readonly notes: readonly string[];
}

/** Namespaces that are looked into at once. */
const AT_ONCE = 4;
const overlays = `/networks?filters=${encodeURIComponent(JSON.stringify({ driver: { overlay: true } }))}`;

/**
 * Writes what Docker says of the swarm and of this node, and the kernel state of each namespace, into a directory (made if it is not there) that several
 * nodes may share: each writes files of its own name only, a manager also those of the cluster. Files appear whole or not at all; dumps of
 * namespaces of this node that are gone are removed. Changes nothing else. Throws a command failure when Docker does not answer, or is in no swarm.
 */
export async function collectNode(directory: string, { host, netnsDirectory, node: chosen }: CollectOptions): Promise<Collected> {
  const engine = new Engine(host);
  const info = await engine.get('/info');
  if (textField(info, 'Swarm', 'LocalNodeState') !== 'active') {
    throw new CommandFailure(exitCodes.refused, `Docker at ${host} is in no swarm`, 'Run it on a node of the swarm (docker info shows "Swarm: active").');
  }
  const node = chosen ?? textField(info, 'Name');
  if (!/^[^./][^/]*$/.test(node)) throw usageFailure(`"${node}" cannot be part of the name of a file`, 'Name the node with --node.');
  const notes: string[] = [];
  const places = placesIn(netnsDirectory, notes);
  const manager = flagField(info, 'Swarm', 'ControlAvailable');
  const before = await networksOf(engine, notes);
  const cluster = manager ? await clusterOf(engine) : null;
  const files = new Files(directory);
  for (let i = 0; i < places.length; i += AT_ONCE) {
    const some = places.slice(i, i + AT_ONCE);
    const dumps = await Promise.all(some.map(async (place) => ({ place, ...(await dumpOf(place)) })));
    for (const { place, text, notes: own } of dumps) {
      notes.push(...own);
      if (text !== null) files.write(place.file === null ? `${node}.host.txt` : `${node}.ns.${place.name}.txt`, text);
    }
  }
  files.write(`${node}.networks.json`, before);
  if (cluster === null) notes.push(`"${node}" is no manager: run it on one too, into the same directory, for services.json, tasks.json and nodes.json`);
  else for (const [name, text] of Object.entries(cluster)) files.write(`${name}.json`, text);
  // What changed meanwhile is in some of the files only.
  if (inOrder(await networksOf(engine, [])) !== inOrder(before))
    notes.push('the networks of the node changed while they were collected: collect again when nothing is being updated');
  files.removeOthers((name) => name.startsWith(`${node}.ns.`) && /^[^.]+\.txt$/.test(name.slice(`${node}.ns.`.length)));
  return { node, manager, files: files.written, notes };
}

/** As `docker network inspect -v` prints all overlay networks and docker_gwbridge. */
async function networksOf(engine: Engine, notes: string[]): Promise<string> {
  const listed = await engine.list(overlays);
  const ids = [...listed.map((network) => textField(network, 'Id')).sort(), 'docker_gwbridge'];
  const networks: unknown[] = [];
  for (const id of ids) {
    const network = await engine.get(`/networks/${encodeURIComponent(id)}?verbose=true`);
    if (network !== undefined) networks.push(network);
    else if (id === 'docker_gwbridge') notes.push('the node has no docker_gwbridge: its tasks cannot reach out, and published ports do not answer here');
  }
  return printed(networks);
}

async function clusterOf(engine: Engine): Promise<Readonly<Record<'services' | 'tasks' | 'nodes', string>>> {
  const [services, tasks, nodes] = [await engine.list('/services'), await engine.list('/tasks'), await engine.list('/nodes')];
  return { services: printed(services), tasks: printed(tasks), nodes: printed(nodes) };
}

/** As docker prints it. */
function printed(value: unknown): string {
  return `${JSON.stringify(value, null, 4)}\n`;
}

/** The files of one run. */
class Files {
  readonly written: string[] = [];
  readonly #path: string;

  constructor(directory: string) {
    this.#path = resolve(directory);
    this.#attempt(() => mkdirSync(this.#path, { recursive: true }));
  }

  /** Readers see the file as it was, or the whole of the new one. */
  write(name: string, text: string): void {
    const part = join(this.#path, `.${name}.${process.pid}.part`);
    this.#attempt(() => {
      writeFileSync(part, text);
      renameSync(part, join(this.#path, name));
    });
    this.written.push(name);
  }

  /** Removes those that are there from before and that `isOwn` names. */
  removeOthers(isOwn: (name: string) => boolean): void {
    const written = new Set(this.written);
    for (const name of readdirSync(this.#path)) if (isOwn(name) && !written.has(name)) rmSync(join(this.#path, name));
  }

  #attempt(run: () => void): void {
    try {
      run();
    } catch (error) {
      throw new CommandFailure(exitCodes.refused, `cannot write to ${this.#path}: ${reasonOf(error)}`, 'Name a directory that can be written to.', [], {
        cause: error,
      });
    }
  }
}

/** The same text for the same networks: the Engine tells peers and tasks in another order each time. */
function inOrder(networks: string): string {
  return sortedText(JSON.parse(networks));
}

function sortedText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedText).sort().join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, field]) => `${name}:${sortedText(field)}`)
    .sort()
    .join()}}`;
}
