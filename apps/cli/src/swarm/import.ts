import { problem } from '@portolan/model';
import { manifestOfSwarm, namedSandboxes, readSwarm, type SwarmManifest } from '@portolan/swarm';
import { stringify } from 'yaml';
import { CommandFailure, exitCodes } from '../failure.js';
import { readCollection } from './collection.js';

/**
 * The manifest of a collected swarm. Throws a usage failure where there is no collection, and a command failure with all faults where a file of it
 * is missing or cannot be read: what is in it would be missing in the cluster. A node of which nothing was collected is a note only.
 */
export function importSwarm(directory: string, from: string): SwarmManifest {
  const { services, tasks, nodes, networks, dumps, faults: unread } = readCollection(directory, from);
  const { swarm, faults } = readSwarm({ services, tasks, nodes, networks });
  const told = new Set(unread.map(({ file }) => file));
  const problems = [...unread, ...faults.filter(({ file }) => !told.has(file))].map(({ file, message, fix }) =>
    problem('invalid-document', '', `${file}: ${message}`, fix),
  );
  const [first] = problems;
  if (first !== undefined) throw new CommandFailure(exitCodes.refused, `${directory} cannot be imported: ${first.message}`, first.fix, problems);
  return manifestOfSwarm(namedSandboxes(swarm, dumps));
}

/** As a person would write it: sections with a line between them. */
export function manifestText({ manifest }: Pick<SwarmManifest, 'manifest'>): string {
  return Object.entries(manifest)
    .map(([section, value]) => stringify({ [section]: value }, { lineWidth: 0 }))
    .join('\n');
}
