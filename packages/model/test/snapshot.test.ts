import { changesOf, diffSnapshots, isEmptyDifference, type Retired, type Snapshot } from '@portolan/model';
import { describe, expect, it } from 'vitest';
import { sample } from './sample.js';

const retired = (value: string, revision: number): Retired => ({
  pool: 'mark',
  networkId: null,
  value,
  revision,
  holder: { kind: 'service', name: 'web', serviceId: null },
});
const withRetired = (...values: readonly Retired[]): Snapshot => ({ ...sample, retired: values });

describe('diffSnapshots', () => {
  it('finds what was retired and what was let go, by object identity', () => {
    const [first, second, third] = [retired('256', 1), retired('257', 2), retired('258', 3)];
    const difference = diffSnapshots(withRetired(first, second), withRetired(second, third));
    expect(difference.retired.created).toEqual([third]);
    expect(difference.retired.deleted).toEqual([first]);
    expect(isEmptyDifference(difference)).toBe(false);
    const again = diffSnapshots(withRetired(first), withRetired({ ...first, revision: 4 }));
    expect(again.retired).toEqual({ created: [{ ...first, revision: 4 }], deleted: [first] });
  });

  it('is empty between lists of the same values', () => {
    const first = retired('256', 1);
    expect(isEmptyDifference(diffSnapshots(withRetired(first), withRetired(first)))).toBe(true);
    expect(isEmptyDifference(diffSnapshots(sample, { ...sample }))).toBe(true);
  });

  it('with nothing but a retired value is a change to write, not one to show', () => {
    const after = withRetired(retired('256', 1));
    expect(isEmptyDifference(diffSnapshots(sample, after))).toBe(false);
    expect(changesOf(sample, after)).toEqual([]);
  });

  it('finds what was made, changed and deleted', () => {
    const [one, two, ...others] = [...sample.endpoints.values()];
    if (one === undefined || two === undefined) throw new Error('the sample has no endpoints');
    const changed = { ...two, weight: 9 };
    const made = { ...one, id: 'z'.repeat(25), name: 'made' };
    const after = { ...sample, endpoints: new Map([changed, made, ...others].map((endpoint) => [endpoint.id, endpoint])) };
    const { endpoints, ...rest } = diffSnapshots(sample, after);
    expect(endpoints).toEqual({ created: [made], changed: [{ before: two, after: changed }], deleted: [one] });
    expect(isEmptyDifference({ ...rest, endpoints: { created: [], changed: [], deleted: [] } })).toBe(true);
    expect(changesOf(sample, after)).toEqual([
      { action: 'delete', kind: 'endpoint', name: one.name },
      { action: 'change', kind: 'endpoint', name: two.name },
      { action: 'create', kind: 'endpoint', name: 'made' },
    ]);
  });
});
