import { type DumpSection, dumpSections, type NamespaceDump, readNamespace } from '@portolan/dump';
import type { Finding } from '../finding.js';

/** A dump as far as it could be read. */
export interface ReadDumpOf {
  readonly dump: NamespaceDump;
  /** Sections that were read whole. */
  readonly sections: ReadonlySet<DumpSection>;
}
/** By node and namespace. */
export type ReadDumps = ReadonlyMap<string, ReadonlyMap<string, ReadDumpOf>>;

/**
 * What nsenter says of a file in /var/run/docker/netns that holds no namespace: Docker takes a namespace away first and its file up to a minute later. It
 * is not there then, which is all that a dump could say.
 */
const GONE = /^nsenter: .*: (Invalid argument|No such file or directory)\s*$/;

/** Reads the dumps of a collection, with a finding for each file that is not whole. */
export function readDumps(texts: ReadonlyMap<string, ReadonlyMap<string, string>>): { readonly dumps: ReadDumps; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const dumps = new Map<string, ReadonlyMap<string, ReadDumpOf>>();
  const read = [...texts].map(
    ([node, ofNode]) =>
      [node, [...ofNode].filter(([name, text]) => name === 'host' || !GONE.test(text)).map(([name, text]) => ({ name, ...readNamespace(text) }))] as const,
  );
  const last = lastSetting(read.flatMap(([, ofNode]) => ofNode.map(({ dump }) => dump)));
  for (const [node, ofNode] of read) {
    const namespaces = new Map<string, ReadDumpOf>();
    for (const { name, dump, faults, absent } of ofNode) {
      const file = fileOf(node, name);
      const isCut = absent.length === 0 && last !== undefined && dump.sysctls[last] === undefined;
      const sections = new Set(dumpSections.filter((section) => !absent.includes(section)));
      // Whatever is there of a section that is cut off counts; what is missing of it does not.
      namespaces.set(name, { dump, sections });
      const [first] = faults;
      if (first !== undefined) {
        const more = faults.length === 1 ? '' : `, and ${faults.length - 1} more`;
        const where = first.line === 0 ? '' : `line ${first.line}: `;
        findings.push(notCollected(node, name, file, `${where}${first.message}${more}`, absent));
      } else if (isCut) {
        sections.delete('sysctl');
        findings.push(notCollected(node, name, file, `its settings end before ${last}, which the others have`, ['sysctl']));
      }
    }
    dumps.set(node, namespaces);
  }
  return { dumps, findings };
}

/** The setting that most dumps end with: one without it was cut off at the end of a line. */
function lastSetting(dumps: readonly NamespaceDump[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { sysctls } of dumps) {
    const last = Object.keys(sysctls).at(-1);
    if (last !== undefined) counts.set(last, (counts.get(last) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  return most !== undefined && most[1] * 2 > dumps.length ? most[0] : undefined;
}

export function fileOf(node: string, namespace: string): string {
  return namespace === 'host' ? `${node}.host.txt` : `${node}.ns.${namespace}.txt`;
}

function notCollected(node: string, namespace: string, file: string, found: string, absent: readonly DumpSection[]): Finding {
  const what = absent.length === 0 ? 'what these lines tell' : `its ${absent.join(', ')}`;
  return {
    severity: 'warning',
    node,
    namespace,
    object: 'collection',
    kind: 'different',
    expected: `${file}: a whole dump`,
    found,
    consequence: `not collected: ${what} cannot be judged`,
    repair: COLLECT,
  };
}

export const COLLECT = 'portolan swarm collect DIR';
