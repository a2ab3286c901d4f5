import type { DumpSection } from '@portolan/dump';
import type { SwarmFault } from '../engine/fault.js';
import type { ExpectedNamespace } from '../expected.js';
import type { Swarm, SwarmNode } from '../facts.js';
import type { Finding } from '../finding.js';
import type { Sight } from './difference.js';
import { COLLECT, fileOf, type ReadDumps } from './dumps.js';
import { isKnownEngine } from './sight.js';

/** What a collection lacks, so that it cannot be judged. */
export interface Gaps {
  /** Without nodes or tasks nothing can be said of any namespace. */
  readonly nothing: boolean;
  /** Without services only what leads from address to address can be judged. */
  readonly services: boolean;
  /** Networks may be unknown. */
  readonly networks: boolean;
}

export function gapsOf({ nodes }: Swarm, faults: readonly SwarmFault[], dumps: ReadDumps): Gaps {
  const faulty = (file: string): boolean => faults.some((fault) => fault.file === file);
  const networks = faults.some(({ file }) => file.endsWith('networks.json')) || nodes.some(({ balancers }) => balancers === null);
  return { nothing: nodes.length === 0 || dumps.size === 0 || faulty('nodes.json') || faulty('tasks.json'), services: faulty('services.json'), networks };
}

/** How a namespace can be judged in spite of the gaps; null: not at all. */
export function withoutGaps({ role, known }: ExpectedNamespace, sight: Sight, { services }: Gaps): Sight | null {
  if (!known && role !== 'overlay' && role !== 'task') return null;
  if (!services) return sight;
  if (role !== 'overlay' && role !== 'task') return null;
  const sections = new Set<DumpSection>([...sight.sections].filter((section) => section !== 'iptables' && section !== 'ipvs'));
  return { ...sight, sections };
}

/** A finding for each file that is missing, or cannot be read. */
export function collectionFindings(swarm: Swarm, faults: readonly SwarmFault[], dumps: ReadDumps): readonly Finding[] {
  const known = new Set(swarm.nodes.map(({ name }) => name));
  const told = faults.map(({ file, message }) => notCollected(nodeOf(file, known), 'host', file, message));
  const missing = swarm.nodes
    // Nobody can collect from a node that is down, or has left.
    .filter(({ name, state }) => state === 'ready' && !dumps.get(name)?.has('host'))
    .map(({ name }) => notCollected(name, 'host', fileOf(name, 'host'), dumps.has(name) ? null : 'no dump of the node'));
  const uncollected = swarm.nodes
    .filter(({ name, state, balancers }) => state === 'ready' && balancers === null && !faults.some(({ file }) => file === `${name}.networks.json`))
    .map(({ name }) => notCollected(name, 'host', `${name}.networks.json`, null));
  const strangers = [...dumps.keys()]
    .filter((name) => !known.has(name) && swarm.nodes.length > 0)
    .map((name) => notCollected(name, 'host', fileOf(name, 'host'), `nodes.json has no node "${name}"`));
  return [...told, ...missing, ...uncollected, ...strangers];
}

function nodeOf(file: string, known: ReadonlySet<string>): string {
  return [...known].find((name) => file === `${name}.networks.json` || file.startsWith(`${name}.host.`) || file.startsWith(`${name}.ns.`)) ?? '';
}

function notCollected(node: string, namespace: string, file: string, found: string | null, repair = COLLECT): Finding {
  return {
    severity: 'warning',
    node,
    namespace,
    object: 'collection',
    kind: found === null ? 'missing' : 'different',
    expected: file,
    found: found === null ? null : `${file}: ${found}`,
    consequence: `not collected: what ${file} tells cannot be judged`,
    repair,
  };
}

/** Once for each node: how far its engine's rules are known. */
export function engineFindings(node: SwarmNode): readonly Finding[] {
  if (isKnownEngine(node)) return [];
  return [
    {
      severity: 'warning',
      node: node.name,
      namespace: 'host',
      object: 'engine',
      kind: 'different',
      expected: '20.10',
      found: node.engineVersion,
      consequence: `none: Docker ${node.engineVersion} lays out the filter chains of the host otherwise, so they are not judged; namespaces, IPVS, marks and peers are`,
      repair: 'iptables-save',
    },
  ];
}
