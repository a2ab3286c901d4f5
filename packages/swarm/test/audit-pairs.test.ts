import { seededReals } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { audit, type Files, filesOf, placeOf, told } from './audit-collection.js';
import { type Fault, faultsIn, interfere } from './audit-faults.js';

const PAIRS = 200;

function pairsIn(files: Files, seed: number): readonly (readonly [Fault, Fault])[] {
  const faults = faultsIn(files);
  const random = seededReals(seed);
  const one = (): Fault => faults[Math.floor(random() * faults.length)] as Fault;
  const pairs: (readonly [Fault, Fault])[] = [];
  while (pairs.length < PAIRS) {
    const pair = [one(), one()] as const;
    if (!interfere(...pair)) pairs.push(pair);
  }
  return pairs;
}

function isOf(fault: Fault): (finding: ReturnType<typeof audit>[number]) => boolean {
  const { node, namespace } = placeOf(fault.file);
  return (finding) => finding.node === node && finding.namespace === namespace && finding.kind === fault.kind && fault.object.test(finding.object);
}

describe.each(['capture', 'mixed'])('two faults at once in %s', (fixture) => {
  const files = filesOf(fixture);
  it(`${PAIRS} random pairs are found, and nothing besides`, { timeout: 120_000 }, () => {
    const wrong = pairsIn(files, 20261126).flatMap(([a, b]) => {
      const findings = audit(b.apply(a.apply(files)));
      const isFound = findings.length === 2 && findings.some(isOf(a)) && findings.some(isOf(b));
      return isFound ? [] : [`${a.name} in ${a.file} and ${b.name} in ${b.file}: ${told(findings).join(' | ')}`];
    });
    expect(wrong).toEqual([]);
  });
});
