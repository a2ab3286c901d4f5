import type { Finding } from '@portolan/swarm';
import { describe, expect, it } from 'vitest';
import { audit, type Files, filesOf, placeOf, told } from './audit-collection.js';
import { type Fault, faultsIn } from './audit-faults.js';
import { healthyCaptures } from './captures.js';

/** Of a task on internal networks only nobody tells the namespace: without its link it is one that is missing. */
function isNameless({ namespace, object, kind }: Finding, file: string): boolean {
  return /^[0-9a-f]{12}$/.test(file) && namespace.startsWith('task ') && object === 'namespace' && kind === 'missing';
}

/** What is found of a collection with a fault, when that is not exactly the fault. */
export function missed(files: Files, fault: Fault): readonly string[] {
  const findings = audit(fault.apply(files));
  const { node, namespace } = placeOf(fault.file);
  const right = findings.filter(
    (finding) =>
      (finding.node === node && finding.namespace === namespace && finding.kind === fault.kind && fault.object.test(finding.object)) ||
      isNameless(finding, namespace),
  );
  return findings.length === 1 && right.length === 1
    ? []
    : [`${fault.name} in ${fault.file} (${fault.kind} ${fault.object}): ${findings.length} ${told(findings).join(' | ')}`];
}

/** PORTOLAN_FAULTS=long: each place of each capture, some 10,000; otherwise each of one, and one in 29 of the others. */
const stepOf = (fixture: string): number => (fixture === 'capture' || process.env.PORTOLAN_FAULTS === 'long' ? 1 : 29);

describe.each(healthyCaptures)('single faults in %s', (fixture) => {
  const files = filesOf(fixture);
  const faults = faultsIn(files).filter((_, place) => place % stepOf(fixture) === 0);
  it.each([...new Set(faults.map(({ file }) => file))])('%s', { timeout: 60_000 }, (file) => {
    expect(faults.filter((fault) => fault.file === file).flatMap((fault) => missed(files, fault))).toEqual([]);
  });
});
