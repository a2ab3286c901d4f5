import { Client } from './client.js';
import { type Kind, kindOf } from './kinds.js';
import { readSourceDocument } from './manifest-file.js';
import { clusterPath } from './session.js';
import { chooseTarget } from './target.js';
import type { Terminal } from './terminal.js';

/** A shell waits while its user looks at the key: a control plane that takes longer, in milliseconds, completes nothing. */
const PATIENCE_MS = 1500;

const optionKinds: Readonly<Record<string, Kind>> = {
  '--node': 'nodes',
  '--service': 'services',
  '--network': 'networks',
  '--cluster': 'clusters',
  '-c': 'clusters',
};

/** Kind of object whose name comes at the end of the words, which start with the program; undefined where no name does. */
function kindToComplete(words: readonly string[]): Kind | undefined {
  const [, command, second = '', ...rest] = words;
  const option = optionKinds[words.at(-2) ?? ''];
  if (option !== undefined) return option;
  if (command === 'drain' && rest.length === 0) return 'endpoints';
  if (rest.length !== 1) return undefined;
  if (command === 'get' || command === 'describe' || command === 'delete') return kindOf(second);
  if (command === 'node') return 'nodes';
  if (command === 'endpoint' && second === 'detach') return 'endpoints';
  return command === 'cluster' && second === 'delete' ? 'clusters' : undefined;
}

/** Names that fit the words, for the shell; undefined where no name comes, so that the parser completes. An unreachable control plane has none. */
export async function completeNames(words: readonly string[], terminal: Terminal): Promise<readonly string[] | undefined> {
  const kind = kindToComplete(words);
  if (kind === undefined) return undefined;
  if (words[1] === 'compile' && kind === 'nodes') return namesInManifest(optionIn(words, '--file') ?? optionIn(words, '-f'), words.at(-1) ?? '', terminal);
  const target = chooseTarget(
    {
      url: optionIn(words, '--url'),
      cluster: optionIn(words, '--cluster') ?? optionIn(words, '-c'),
      token: optionIn(words, '--token'),
      ca: optionIn(words, '--ca'),
    },
    terminal,
  );
  const client = new Client(target, PATIENCE_MS);
  try {
    const path = kind === 'clusters' ? '/v1/clusters' : await clusterPath(client, target.cluster, kind);
    return (await client.list<{ name: string }>(path, { name: words.at(-1) || undefined })).map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Nodes of a manifest, for a command that asks no control plane; none while there is no such file, or something is wrong with it. */
async function namesInManifest(file: string | undefined, begin: string, terminal: Terminal): Promise<readonly string[]> {
  // The shell waits for the answer with standard input of its own.
  if (file === undefined || file === '-') return [];
  try {
    const { value } = await readSourceDocument(terminal, file);
    const nodes = typeof value === 'object' && value !== null && 'nodes' in value && Array.isArray(value.nodes) ? (value.nodes as readonly unknown[]) : [];
    const names = nodes.map((node) => (typeof node === 'object' && node !== null && 'name' in node ? node.name : undefined));
    return names.filter((name): name is string => typeof name === 'string' && name.startsWith(begin));
  } catch {
    return [];
  }
}

function optionIn(words: readonly string[], name: string): string | undefined {
  const at = words.indexOf(name);
  // The last word is still being written.
  return at === -1 || at + 1 >= words.length - 1 ? undefined : words[at + 1];
}
