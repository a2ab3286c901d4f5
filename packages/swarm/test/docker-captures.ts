import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NamespaceDump, printRule, readNamespace } from '@portolan/dump';
import { type ExpectedNamespace, type NamespaceObject, objectKey, objectsOf, readSwarm, type Swarm } from '@portolan/swarm';

/** What was collected of a real swarm. */
export interface Capture {
  readonly swarm: Swarm;
  /** By name of the node, then by name of the namespace. */
  readonly dumps: ReadonlyMap<string, ReadonlyMap<string, NamespaceDump>>;
}

/** Files of namespaces that are gone; Docker removes them some minutes later. */
const GONE = /reassociate to namespace/;

/** `directory`: with a slash at its end. */
export function readCapture(directory: URL): Capture {
  const files = readdirSync(directory);
  const textOf = (file: string): string => readFileSync(new URL(file, directory), 'utf8');
  const networks = new Map(
    files.flatMap((file) => (file.endsWith('.networks.json') ? [[file.slice(0, -'.networks.json'.length), textOf(file)] as const] : [])),
  );
  const { swarm, faults } = readSwarm({ services: textOf('services.json'), tasks: textOf('tasks.json'), nodes: textOf('nodes.json'), networks });
  if (faults.length > 0) throw new Error(`${directory.pathname}: ${JSON.stringify(faults)}`);
  const dumps = new Map<string, Map<string, NamespaceDump>>();
  for (const file of files) {
    const [, node, name] = /^(.+?)\.(?:ns\.)?([^.]+)\.txt$/.exec(file) ?? [];
    const text = textOf(file);
    if (node === undefined || name === undefined || GONE.test(text)) continue;
    const read = readNamespace(text);
    if (read.faults.length > 0) throw new Error(`${join(directory.pathname, file)}: ${JSON.stringify(read.faults)}`);
    const ofNode = dumps.get(node) ?? new Map<string, NamespaceDump>();
    dumps.set(node, ofNode.set(name, read.dump));
  }
  const nodes = new Map(swarm.nodes.map(({ id, name }) => [id, name]));
  // Of a task on internal networks only nobody tells the sandbox.
  const tasks = swarm.tasks.map((task) => ({
    ...task,
    sandbox: task.sandbox ?? withAddress(dumps.get(nodes.get(task.nodeId) ?? ''), task.addresses[0]?.address),
  }));
  return { swarm: { ...swarm, tasks }, dumps };
}

function withAddress(dumps: ReadonlyMap<string, NamespaceDump> | undefined, own: string | undefined): string | null {
  return [...(dumps ?? [])].find(([, { links }]) => links.some(({ addresses }) => addresses[0]?.address === own))?.[0] ?? null;
}

/** The dump of a namespace; of an overlay that of any epoch. */
export function dumpFor({ name, role }: ExpectedNamespace, dumps: ReadonlyMap<string, NamespaceDump>): NamespaceDump | undefined {
  if (role !== 'overlay') return dumps.get(name);
  const [, id] = name.split('-');
  return [...dumps].find(([other]) => other.split('-')[1] === id)?.[1];
}

/** Of rules that may be there twice the first alone. */
export function withoutRepetitions(dump: NamespaceDump, { repeatable }: ExpectedNamespace): NamespaceDump {
  const seen = new Set<string>();
  const rules = dump.rules.filter((rule) => {
    const key = objectKey({ kind: 'rule', rule });
    return !repeatable.has(key) || (!seen.has(key) && seen.add(key));
  });
  return { ...dump, rules };
}

/**
 * The objects of a namespace as lines in the order of the alphabet, without what Docker or the kernel draws at random, and without what is not Swarm's. It is not
 * the comparison of the audit, so that neither hides a fault of the other; orders within chains are compared apart.
 */
export function linesOf(dump: NamespaceDump, { role, dump: { sysctls } }: ExpectedNamespace, without: ReadonlySet<string> = new Set()): string[] {
  const marks = new Map(dump.rules.flatMap((rule) => (rule.chain === 'INPUT' && rule.target === 'MARK' ? [[markOf(rule.options), rule.match] as const] : [])));
  const names = new Map(
    dump.links.flatMap(({ name, kind, master, addresses: [first] }) => {
      if (kind === 'veth' && master !== null) return [[name, `a port of ${master}`] as const];
      return name.startsWith('eth') && first !== undefined ? [[name, first.address] as const] : [];
    }),
  );
  const nameOf = (link: string): string => names.get(link) ?? link;
  const line = (object: NamespaceObject): unknown => {
    switch (object.kind) {
      case 'link': {
        const { name, kind, up, mtu, mac, vxlan } = object.link;
        return { name: nameOf(name), kind, up, mtu, vxlan, mac: kind === 'veth' && mac?.startsWith('02:42') ? mac : null };
      }
      case 'port':
        return { port: nameOf(object.link), master: object.master };
      case 'address':
        return { ...object, link: nameOf(object.link) };
      case 'route':
        return { ...object.route, link: nameOf(object.route.link ?? '') };
      case 'rule':
        return `${object.rule.table} ${ruleLine(object.rule, marks)}`;
      case 'virtual-server':
        return { ...object.virtualServer, mark: marks.get(object.virtualServer.mark) };
      case 'real-server':
        return { ...object.realServer, mark: marks.get(object.realServer.mark) };
      default:
        return object;
    }
  };
  return objectsOf(dump)
    .filter((object) => isDockers(object, role, sysctls) && !without.has(objectKey(object)))
    .map((object) => JSON.stringify(line(object)))
    .sort();
}

/** The lines without others, each as often as it is there. */
export function less(lines: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const other of others) counts.set(other, (counts.get(other) ?? 0) + 1);
  return lines.filter((line) => {
    const count = counts.get(line) ?? 0;
    if (count > 0) counts.set(line, count - 1);
    return count === 0;
  });
}

/** The rules of a chain in their order; those that are not Swarm's are left out, and so are those that do not overlap and come in any order. */
export function orderOf(dump: NamespaceDump, chain: string): string[] {
  const inChain = dump.rules.filter(
    (rule) => rule.chain === chain && isSwarms(rule) && !/--(?:dport|sport|set-xmark)|MASQUERADE/.test(`${rule.match} ${rule.target} ${rule.options}`),
  );
  return inChain.map(printRule);
}

function markOf(options: string): number {
  return Number(/0x[0-9a-f]+/.exec(options)?.[0]);
}

function ruleLine(rule: NamespaceDump['rules'][number], marks: ReadonlyMap<number, string>): string {
  const text = printRule(rule)
    .replace(/127\.0\.0\.11:\d+/, '127.0.0.11:PORT')
    .replace(/--sport \d+ -j SNAT/, '--sport PORT -j SNAT');
  return rule.target === 'MARK' ? text.replace(/0x[0-9a-f]+/, (mark) => marks.get(Number(mark)) ?? mark) : text;
}

function isDockers(object: NamespaceObject, role: ExpectedNamespace['role'], sysctls: Readonly<Record<string, string>>): boolean {
  if (object.kind === 'sysctl') return object.name in sysctls;
  if (object.kind === 'rule') return isSwarms(object.rule);
  if (role !== 'host') return true;
  if (object.kind === 'route') return false;
  return !(object.kind === 'link' && isHosts(object.link.name)) && !(object.kind === 'address' && isHosts(object.link));
}

/** Of the host: its card, and the bridge of containers that are none of the swarm's. */
function isHosts(link: string): boolean {
  return link.startsWith('eth') || link === 'docker0';
}

function isSwarms(rule: NamespaceDump['rules'][number]): boolean {
  return !/docker0|172\.17\./.test(printRule(rule));
}
