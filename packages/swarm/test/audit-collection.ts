import { readdirSync, readFileSync } from 'node:fs';
import { auditSwarm, type Finding, readSwarm } from '@portolan/swarm';
import { directoryOf } from './captures.js';

/** The files of a collection by name. */
export type Files = ReadonlyMap<string, string>;

/** The files of a capture. */
export function filesOf(fixture: string): Files {
  const directory = directoryOf(fixture);
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(`${directory}/${name}`, 'utf8')]));
}

export function audit(files: Files): readonly Finding[] {
  const networks = new Map<string, string>();
  const dumps = new Map<string, Map<string, string>>();
  for (const [file, text] of files) {
    const { node, namespace } = placeOf(file);
    if (file.endsWith('.networks.json')) networks.set(file.replace('.networks.json', ''), text);
    else if (file.endsWith('.txt')) dumps.set(node, (dumps.get(node) ?? new Map<string, string>()).set(namespace, text));
  }
  const json = (name: string): string | null => files.get(name) ?? null;
  const { swarm, faults } = readSwarm({ services: json('services.json'), tasks: json('tasks.json'), nodes: json('nodes.json'), networks });
  return auditSwarm({ swarm, faults, dumps });
}

export function placeOf(file: string): { readonly node: string; readonly namespace: string } {
  const [node = '', , name] = file.split('.');
  return { node, namespace: file.includes('.ns.') ? (name ?? '') : 'host' };
}

/** One line a finding, to be read where a test fails. */
export function told(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ node, namespace, object, kind, expected, found }) => `${node} ${namespace} ${kind} ${object}: ${expected} / ${found}`);
}
