import type { ExpectedNamespace } from '../expected.js';
import type { Swarm, SwarmNode } from '../facts.js';
import type { Finding } from '../finding.js';
import { nothing } from './balancer-effects.js';
import { type Book, taskName } from './book.js';
import type { Gaps } from './collection.js';
import { fileOf, type ReadDumpOf } from './dumps.js';
import { renewal } from './repair.js';

export interface NamespacePair {
  readonly expected: ExpectedNamespace;
  /** In /var/run/docker/netns. */
  readonly name: string;
  readonly observed: ReadDumpOf;
}

interface Known {
  readonly swarm: Swarm;
  readonly book: Book;
  readonly gaps: Gaps;
}

const overlayName = /^(?<epoch>[0-9]+)-(?<id>[0-9a-z]+)$/;
const balancerName = /^lb_(?<id>[0-9a-z]+)$/;

/** The expected namespaces of a node beside what was collected of them; those that are missing, and those of Docker's that are left over. */
export function namespacesOf(
  node: SwarmNode,
  expected: readonly ExpectedNamespace[],
  there: ReadonlyMap<string, ReadDumpOf>,
  known: Known,
): { readonly pairs: readonly NamespacePair[]; readonly missing: readonly ExpectedNamespace[]; readonly findings: readonly Finding[] } {
  const missing: ExpectedNamespace[] = [];
  const pairs: NamespacePair[] = [];
  const findings: Finding[] = [];
  const used = new Set<string>();
  for (const namespace of expected) {
    const name = nameOf(namespace, there);
    const observed = there.get(name);
    if (observed !== undefined) {
      used.add(name);
      pairs.push({ expected: namespace, name, observed });
    } else if (!namespace.mayBeAbsent && name !== 'host' && there.has('host')) {
      missing.push(namespace);
      findings.push(missingFinding(node, namespace, name, known.book));
    }
  }
  findings.push(...homelessTasks(node, expected, there, used, known));
  for (const name of there.keys()) {
    if (!used.has(name)) findings.push(...leftOver(node, name, known));
  }
  return { pairs, missing, findings };
}

/** Of an overlay's namespaces, which count their epochs, the newest. */
function nameOf({ name, role, networkId }: ExpectedNamespace, there: ReadonlyMap<string, ReadDumpOf>): string {
  if (role !== 'overlay' || networkId === null) return name;
  const own = [...there.keys()].filter((file) => {
    const { id } = overlayName.exec(file)?.groups ?? {};
    return id !== undefined && networkId.startsWith(id);
  });
  return own.sort((a, b) => Number.parseInt(b, 10) - Number.parseInt(a, 10))[0] ?? name;
}

function missingFinding(node: SwarmNode, expected: ExpectedNamespace, name: string, book: Book): Finding {
  return {
    severity: 'error',
    node: node.name,
    namespace: name,
    object: 'namespace',
    kind: 'missing',
    expected: `/var/run/docker/netns/${name} (${fileOf(node.name, name)})`,
    found: null,
    consequence: withoutNamespace(node, expected, book),
    repair: renewal({ book, expected }),
  };
}

function withoutNamespace(node: SwarmNode, expected: ExpectedNamespace, book: Book): string {
  const network = book.networks.get(expected.networkId ?? '')?.name ?? expected.networkId ?? '';
  switch (expected.role) {
    case 'overlay':
      return `nothing on ${node.name} reaches anything on ${network}`;
    case 'ingress':
    case 'load-balancer':
      return nothing({ book, node, expected, observed: expected.dump, name: expected.name });
    case 'task': {
      const task = book.tasks.get(expected.taskId ?? '');
      return `${task === undefined ? 'a container' : `task ${taskName(task, book)}`} on ${node.name} has no network, if it runs`;
    }
    case 'host':
      return `nothing of ${node.name} is known`;
  }
}

/** Tasks whose namespace the Engine API does not name, and that none of the node's has the address of. */
function homelessTasks(
  node: SwarmNode,
  expected: readonly ExpectedNamespace[],
  there: ReadonlyMap<string, ReadDumpOf>,
  used: ReadonlySet<string>,
  { book }: Known,
): readonly Finding[] {
  if (node.balancers === null || node.state !== 'ready' || !there.has('host')) return [];
  // One of these may be the task's.
  if ([...there].some(([name, { sections }]) => !used.has(name) && !sections.has('addr'))) return [];
  const housed = new Set(expected.flatMap(({ taskId }) => taskId ?? []));
  return book
    .tasksOn(node.id)
    .filter(({ id, state, sandbox, addresses }) => state === 'running' && sandbox === null && addresses.length > 0 && !housed.has(id))
    .map(
      (task): Finding => ({
        severity: 'error',
        node: node.name,
        namespace: `task ${taskName(task, book)}`,
        object: 'namespace',
        kind: 'missing',
        expected: `a namespace with ${task.addresses.map(({ address }) => address).join(' and ')} (${fileOf(node.name, 'NAME')})`,
        found: null,
        consequence: `task ${taskName(task, book)} on ${node.name} has no network, if it runs`,
        repair: task.containerId === null ? 'systemctl restart docker' : `docker rm -f ${task.containerId.slice(0, 12)}`,
      }),
    );
}

/** Namespaces of networks that the swarm does not have any more, or that the node does not; those of containers are nobody's business. */
function leftOver(node: SwarmNode, name: string, { swarm, gaps }: Known): readonly Finding[] {
  const { id } = (overlayName.exec(name) ?? balancerName.exec(name))?.groups ?? {};
  if (id === undefined) return [];
  const network = swarm.networks.find((it) => it.id.startsWith(id));
  // Without its own networks what a node has is not known.
  if (network !== undefined && node.balancers === null) return [];
  if (network === undefined && gaps.networks) return [];
  const whose = network === undefined ? 'a network that the swarm does not have' : `${network.name}, which ${node.name} has under another name or not at all`;
  return [
    {
      severity: 'warning',
      node: node.name,
      namespace: name,
      object: 'namespace',
      kind: 'unexpected',
      expected: null,
      found: `/var/run/docker/netns/${name}`,
      consequence: `none yet: it is left over from ${whose}; a network with its VNI cannot be made on ${node.name}`,
      repair: `umount /var/run/docker/netns/${name} && rm /var/run/docker/netns/${name}`,
    },
  ];
}
