import { swarmIndex } from '../docker/roster.js';
import { dockerState } from '../docker/state.js';
import type { SwarmFault } from '../engine/fault.js';
import type { ExpectedNamespace } from '../expected.js';
import type { Swarm, SwarmNode } from '../facts.js';
import type { Finding } from '../finding.js';
import { type Book, bookOf } from './book.js';
import { withBridges } from './bridges.js';
import { collectionFindings, engineFindings, type Gaps, gapsOf, withoutGaps } from './collection.js';
import { differencesOf } from './differences.js';
import { type ReadDumpOf, type ReadDumps, readDumps } from './dumps.js';
import { withoutEchoes } from './echoes.js';
import { findingOf } from './finding-of.js';
import { namespacesOf } from './namespaces.js';
import { withSandboxes } from './sandboxes.js';
import { dataPathPort, sightOf } from './sight.js';

/** What `portolan swarm audit` looks at. */
export interface AuditInput {
  readonly swarm: Swarm;
  /** What could not be read of the Engine API's JSON (`readSwarm`), and files that could not be read at all. */
  readonly faults: readonly SwarmFault[];
  /** Texts of dumps, by node and namespace (`host`, or the name in /var/run/docker/netns). */
  readonly dumps: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/**
 * What is wrong in a swarm: of each namespace of each node what Docker should have programmed beside what is there. One finding a fault; none where nothing differs.
 * What was not collected, or not whole, is a finding and is not judged; nothing is thrown.
 *
 * ```
 *   swarm ─ dockerState ─► expected ──┐
 *                                     ├─ namespacesOf ─► pairs ─ differencesOf ─► differences ─ findingOf ─► findings
 *   texts ─ readDumps ───► observed ──┘                      marks, links: up to renaming           words, consequence, repair
 * ```
 */
export function auditSwarm({ swarm: given, faults, dumps: texts }: AuditInput): readonly Finding[] {
  const { dumps, findings } = readDumps(texts);
  const gaps = gapsOf(given, faults, dumps);
  const swarm = withBridges(withSandboxes(given, dumps), dumps);
  const book = bookOf(swarm);
  const index = swarmIndex(swarm);
  const port = dataPathPort(dumps);
  return [
    ...collectionFindings(swarm, faults, dumps),
    ...findings,
    ...swarm.nodes.flatMap((node) => {
      const there = dumps.get(node.name);
      if (there === undefined) return [];
      const judged = gaps.nothing ? [] : auditNode(node, dockerState(index, node.id), { swarm, book, dumps, there, gaps, port });
      return [...engineFindings(node), ...judged];
    }),
  ];
}

interface Around {
  readonly swarm: Swarm;
  readonly book: Book;
  readonly dumps: ReadDumps;
  readonly there: ReadonlyMap<string, ReadDumpOf>;
  readonly gaps: Gaps;
  /** UDP port of VXLAN in this swarm. */
  readonly port: number;
}

function auditNode(node: SwarmNode, expected: readonly ExpectedNamespace[], { swarm, book, there, gaps, port }: Around): readonly Finding[] {
  const { pairs, missing, findings } = namespacesOf(node, expected, there, { swarm, book, gaps });
  const view = { host: there.get('host')?.dump, ingress: there.get('ingress_sbox')?.dump };
  const differences = withoutEchoes(
    pairs.flatMap(({ expected: namespace, name, observed }) => {
      const sight = sightOf(node, namespace, observed, view);
      const judged = withoutGaps(namespace, sight, gaps);
      if (judged === null) return [];
      const place = { book, node, expected: namespace, observed: observed.dump, name };
      return differencesOf(withDataPathPort(namespace, port), observed.dump, judged).map((difference) => ({ difference, place }));
    }),
    missing,
  );
  return [...findings, ...differences.map(({ difference, place }) => findingOf(difference, place))];
}

/** What a swarm was made with (`--data-path-port`) is in no JSON, so the tunnels themselves tell. */
function withDataPathPort(namespace: ExpectedNamespace, port: number): ExpectedNamespace {
  if (namespace.role !== 'overlay') return namespace;
  const links = namespace.dump.links.map((link) => (link.vxlan === null || link.vxlan.port === port ? link : { ...link, vxlan: { ...link.vxlan, port } }));
  return { ...namespace, dump: { ...namespace.dump, links } };
}
