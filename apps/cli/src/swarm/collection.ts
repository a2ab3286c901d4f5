import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { SwarmFault } from '@portolan/swarm';
import { reasonOf } from '../exchange.js';
import { usageFailure } from '../failure.js';

/**
 * The files of a directory that `portolan swarm collect` wrote, on one node or on several:
 *
 *     services.json tasks.json nodes.json      of a manager
 *     NODE.networks.json                       of each node
 *     NODE.host.txt NODE.ns.NAME.txt           dumps of its namespaces
 */
export interface Collection {
  /** null: the file is not there, or cannot be read. */
  readonly services: string | null;
  readonly tasks: string | null;
  readonly nodes: string | null;
  /** Texts of NODE.networks.json, by NODE. */
  readonly networks: ReadonlyMap<string, string>;
  /** Texts of dumps, by NODE and then by namespace: `host`, or NAME. */
  readonly dumps: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Files that are there and cannot be read. */
  readonly faults: readonly SwarmFault[];
}

/** Names of a collection's files. A namespace has no dot in its name, a host may have. */
const clusterFile = /^(services|tasks|nodes)\.json$/;
const networksFile = /^(?<node>[^.].*)\.networks\.json$/;
const hostFile = /^(?<node>[^.].*)\.(?<namespace>host)\.txt$/;
const namespaceFile = /^(?<node>[^.].*)\.ns\.(?<namespace>[^.]+)\.txt$/;

/** Reads a collection; `directory` is relative to `from`. Throws a usage failure when it is not there or has no file of a collection. */
export function readCollection(directory: string, from: string): Collection {
  const path = resolve(from, directory);
  const faults: SwarmFault[] = [];
  const cluster = new Map<string, string>();
  const networks = new Map<string, string>();
  const dumps = new Map<string, Map<string, string>>();
  let found = false;
  for (const file of namesIn(path, directory)) {
    const [, name] = clusterFile.exec(file) ?? [];
    const { node, namespace } = (networksFile.exec(file) ?? hostFile.exec(file) ?? namespaceFile.exec(file))?.groups ?? {};
    if (name === undefined && node === undefined) continue;
    found = true;
    const text = textOf(path, file, faults);
    if (text === undefined) continue;
    if (name !== undefined) cluster.set(name, text);
    else if (node !== undefined && namespace === undefined) networks.set(node, text);
    else if (node !== undefined && namespace !== undefined) dumps.set(node, (dumps.get(node) ?? new Map<string, string>()).set(namespace, text));
  }
  if (!found) {
    throw usageFailure(
      `${directory} holds no collection: none of services.json, tasks.json, nodes.json, NODE.networks.json, NODE.host.txt and NODE.ns.NAME.txt is there`,
      'Name the directory that "portolan swarm collect" wrote.',
    );
  }
  const textNamed = (name: string): string | null => cluster.get(name) ?? null;
  return { services: textNamed('services'), tasks: textNamed('tasks'), nodes: textNamed('nodes'), networks, dumps, faults };
}

function namesIn(path: string, directory: string): readonly string[] {
  try {
    return readdirSync(path).sort();
  } catch (error) {
    throw usageFailure(`cannot read the directory ${directory}: ${reasonOf(error)}`, 'Name the directory that "portolan swarm collect" wrote.');
  }
}

function textOf(path: string, file: string, faults: SwarmFault[]): string | undefined {
  try {
    return readFileSync(join(path, file), 'utf8');
  } catch (error) {
    faults.push({ file, message: `cannot be read: ${reasonOf(error)}`, fix: 'Make it readable, or collect from the node again.' });
    return undefined;
  }
}
