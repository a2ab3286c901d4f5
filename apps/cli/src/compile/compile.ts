import { usageFailure } from '../failure.js';
import type { SourceDocument } from '../manifest-file.js';
import type { Compiled } from './compiled.js';
import { compileDocker } from './docker.js';
import { compilePortolan } from './portolan.js';
import { type Assumed, compiledSnapshot } from './snapshot.js';

const compilers = { portolan: compilePortolan, docker: compileDocker } as const;
export type Profile = keyof typeof compilers;

/** What a manifest makes of the node of that name. */
export function compileNode(document: SourceDocument, name: string, profile: Profile, assumed: Assumed): Compiled {
  const snapshot = compiledSnapshot(document, assumed);
  const nodes = [...snapshot.nodes.values()];
  const node = nodes.find((own) => own.name === name);
  if (node === undefined) throw unknownNode(name, nodes.map((own) => own.name).sort());
  const compiled = compilers[profile](snapshot, node.id);
  const { flannel, flannelLeases } = snapshot;
  if (flannel === null || flannel.leaving || [...flannelLeases.values()].some(({ nodeId }) => nodeId === node.id)) return compiled;
  return { ...compiled, notes: [...compiled.notes, `${name} gets no subnet of the flannel network ${flannel.network}, which has none left: give it more`] };
}

function unknownNode(name: string, known: readonly string[]): Error {
  if (known.length > 0) return usageFailure(`there is no node "${name}" in the manifest`, `Its nodes are ${known.join(', ')}.`);
  return usageFailure(`there is no node "${name}": the manifest has no nodes`, 'Write a section "nodes" with a name and an address for each host.');
}
