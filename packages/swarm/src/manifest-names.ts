import type { Swarm } from './facts.js';

/** The names that a swarm's objects get in a manifest, by their ids; endpoints by the id of the task or container. */
export interface ManifestNames {
  readonly nodes: ReadonlyMap<string, string>;
  readonly networks: ReadonlyMap<string, string>;
  readonly services: ReadonlyMap<string, string>;
  readonly endpoints: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 63;
const grammar = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
/** What makes the name of a task unique: slot and id, or the ids of node and task. It is kept whole, as ids are read back from it. */
const taskTail = /\.(?:\d+|[a-z0-9]{25})\.[a-z0-9]{25}$/;

/** Names as they are where our grammar has them; others, and those that two have, are made to fit, which is a note. */
export function manifestNames({ nodes, networks, services, tasks }: Swarm, notes: string[]): ManifestNames {
  const named = (kind: string, objects: readonly { readonly id: string; readonly name: string }[]): ReadonlyMap<string, string> => {
    const taken = new Set<string>();
    return new Map(objects.map(({ id, name }) => [id, fitted(kind, name, taken, notes)]));
  };
  const containers = nodes.flatMap((node) => node.containers.map(({ containerId }) => ({ id: containerId, name: containerId.slice(0, 12) })));
  return {
    nodes: named('node', nodes),
    networks: named('network', networks),
    services: named('service', services),
    endpoints: named('endpoint', [...tasks, ...containers]),
  };
}

function fitted(kind: string, name: string, taken: Set<string>, notes: string[]): string {
  const fits = grammar.test(name) ? name : shortened(name);
  let unique = fits;
  for (let i = 2; taken.has(unique); i++) unique = `${fits.slice(0, MAX_LENGTH - 1 - String(i).length)}-${i}`;
  taken.add(unique);
  if (unique !== name) notes.push(`the ${kind} "${name}" is called "${unique}": names are unique and have 1 to 63 letters, digits, "_", "." and "-"`);
  return unique;
}

function shortened(name: string): string {
  const allowed = name.replaceAll(/[^A-Za-z0-9_.-]/g, '-').replace(/^[^A-Za-z0-9]+/, '');
  const [tail = ''] = taskTail.exec(allowed) ?? [];
  const head = allowed.slice(0, allowed.length - tail.length).slice(0, MAX_LENGTH - tail.length);
  return head + tail === '' ? 'unnamed' : head + tail;
}
