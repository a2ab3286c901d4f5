import { auditSwarm, type Finding, readSwarm } from '@portolan/swarm';
import { type Style, styled, type Terminal } from '../terminal.js';
import { readCollection } from './collection.js';

/** The findings of a collection, and of how many nodes it has dumps. Throws a usage failure when the directory is none. */
export function auditCollection(directory: string, from: string): { readonly findings: readonly Finding[]; readonly nodes: number } {
  const { faults, dumps, ...documents } = readCollection(directory, from);
  const { swarm, faults: unread } = readSwarm(documents);
  return { findings: auditSwarm({ swarm, faults: [...faults, ...unread], dumps }), nodes: dumps.size };
}

const severityStyles = { error: 'red', warning: 'yellow' } as const satisfies Record<Finding['severity'], Style>;
const INDENT = ' '.repeat(13);

/**
 * Findings by node and namespace, errors first:
 *
 *     node2
 *       lb_mou30nzwn
 *         error    real-server 10.0.1.9 of api (10.0.1.2) unexpected
 *                  one in four requests to api (10.0.1.2) from tasks on node2 hangs
 *                  found     -a -f 256 -r 10.0.1.9:0 -m -w 1
 *                  repair    nsenter …
 */
export function renderFindings(terminal: Terminal, findings: readonly Finding[], nodes: number): string {
  if (findings.length === 0) return `${styled(terminal, 'green', 'nothing differs')}: ${counted(nodes, 'node')} as Docker should have programmed them\n`;
  const lines: string[] = [];
  for (const node of new Set(findings.map((finding) => finding.node))) {
    lines.push(styled(terminal, 'bold', node === '' ? 'the collection' : node));
    const ofNode = findings.filter((finding) => finding.node === node);
    for (const namespace of new Set(ofNode.map((finding) => finding.namespace))) {
      lines.push(`  ${styled(terminal, 'bold', namespace)}`);
      const here = ofNode.filter((finding) => finding.namespace === namespace);
      for (const severity of ['error', 'warning'] as const)
        lines.push(...here.filter((finding) => finding.severity === severity).flatMap((finding) => told(terminal, finding)));
    }
    lines.push('');
  }
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const summary = [
    errors > 0 ? styled(terminal, 'red', counted(errors, 'error')) : '',
    findings.length > errors ? styled(terminal, 'yellow', counted(findings.length - errors, 'warning')) : '',
  ];
  lines.push(`${summary.filter((part) => part !== '').join(', ')} on ${counted(nodes, 'node')}`);
  return `${lines.join('\n')}\n`;
}

function told(terminal: Terminal, { severity, object, kind, expected, found, consequence, repair }: Finding): readonly string[] {
  const facts = [
    ['expected', expected],
    ['found', found],
  ] as const;
  return [
    `    ${styled(terminal, severityStyles[severity], severity.padEnd(9))}${object} ${kind}`,
    `${INDENT}${consequence}`,
    ...facts.flatMap(([name, value]) => (value === null ? [] : [`${INDENT}${styled(terminal, 'dim', name.padEnd(10))}${value}`])),
    // Whole, however long: it is to be copied.
    `${INDENT}${styled(terminal, 'dim', 'repair    ')}${styled(terminal, 'green', repair)}`,
  ];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
