import { describe, expect, it } from 'vitest';
import { audit, type Files, filesOf, placeOf, told } from './audit-collection.js';
import { type Fault, faultsIn } from './audit-faults.js';

/** What is found of a collection with a fault, when that is not exactly the fault. */
export function missed(files: Files, fault: Fault): readonly string[] {
  const findings = audit(fault.apply(files));
  const { node, namespace } = placeOf(fault.file);
  const right = findings.filter(
    (finding) => finding.node === node && finding.namespace === namespace && finding.kind === fault.kind && fault.object.test(finding.object),
  );
  return findings.length === 1 && right.length === 1
    ? []
    : [`${fault.name} in ${fault.file} (${fault.kind} ${fault.object}): ${findings.length} ${told(findings).join(' | ')}`];
}

describe.each(['capture'])('each single fault in %s', (fixture) => {
  const files = filesOf(fixture);
  const faults = faultsIn(files);
  it.each([...new Set(faults.map(({ file }) => file))])('%s', (file) => {
    expect(faults.filter((fault) => fault.file === file).flatMap((fault) => missed(files, fault))).toEqual([]);
  });
});
