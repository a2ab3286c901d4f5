import type { ReadNamespace } from './fault.js';
import { dumpSections } from './namespace.js';
import { readLinks } from './read-links.js';
import { readRules } from './read-rules.js';
import { readServers } from './read-servers.js';
import { readForwarding, readNeighbours, readRoutes } from './read-ways.js';
import { quoted, type Refuse, type SectionLine, sectionsOf } from './sections.js';

/**
 * Reads one file of a collection: the sections `# addr`, `# route`, `# neigh`, `# fdb`, `# iptables`, `# ipvs` and `# sysctl`, each as its tool prints it.
 * Whatever the text is, it gives a dump; what could not be read is told by line, and which sections prove nothing by what they lack.
 */
export function readNamespace(text: string): ReadNamespace {
  const { sections, refusals } = sectionsOf(text);
  const { refuse } = refusals;
  const linesOf = (name: (typeof dumpSections)[number]): readonly SectionLine[] => sections.get(name) ?? [];
  // Every namespace has a lo, and settings: where there is nothing, the tool failed.
  for (const name of ['addr', 'sysctl'] as const) {
    if (sections.has(name) && linesOf(name).length === 0) refusals.insist(0, `the section "# ${name}" is empty`, name);
  }
  const dump = {
    links: readLinks(linesOf('addr'), refuse),
    routes: readRoutes(linesOf('route'), refuse),
    neighbours: readNeighbours(linesOf('neigh'), refuse),
    forwarding: readForwarding(linesOf('fdb'), refuse),
    ...readRules(linesOf('iptables'), refuse),
    ...readServers(linesOf('ipvs'), refuse),
    sysctls: readSysctls(linesOf('sysctl'), refuse),
  };
  return { dump, faults: refusals.faults(), absent: dumpSections.filter((section) => refusals.unsound.has(section)) };
}

/** `sysctl -a`. What it says of keys that only some may read is passed over. */
function readSysctls(lines: readonly SectionLine[], refuse: Refuse): Record<string, string> {
  const settings: [string, string][] = [];
  for (const { number, text } of lines) {
    const at = text.indexOf(' = ');
    if (at > 0 && !text.slice(0, at).includes(' ')) settings.push([text.slice(0, at), text.slice(at + ' = '.length).trim()]);
    else if (text.endsWith(' =') && !text.slice(0, -2).includes(' ')) settings.push([text.slice(0, -2), '']);
    else if (!text.startsWith('sysctl: ')) refuse(number, `${quoted(text)} is no setting as "sysctl -a" prints it`);
  }
  return Object.fromEntries(settings);
}
