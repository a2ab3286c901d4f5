import { computeNodeState } from '@portolan/compute';
import type { Snapshot } from '@portolan/model';
import { largeSnapshot } from '@portolan/testkit';
import { type Bench, type Comparison, comparison, median, milliseconds } from './bench.js';

const NODES = 1000;
const ENDPOINTS_PER_SERVICE = 10;

/** An equal snapshot that no cache knows, as after a commit. */
function committed(snapshot: Snapshot): Snapshot {
  return { ...snapshot, cluster: { ...snapshot.cluster, revision: snapshot.cluster.revision + 1 }, endpoints: new Map(snapshot.endpoints) };
}

/**
 * Node states out of a snapshot, for one node and for all, beside what it costs to write the same states as JSON and
 * to read them again, which is what sending them to the agents costs in any case.
 */
export const compute: Bench = async (report) => {
  const comparisons: Comparison[] = [];
  for (const services of [1_000, 10_000]) {
    report(`building a cluster of ${NODES} nodes and ${services} services x ${ENDPOINTS_PER_SERVICE} endpoints`);
    let snapshot = largeSnapshot({ nodes: NODES, networks: services / 10, services, endpointsPerService: ENDPOINTS_PER_SERVICE, publishedServices: 100 });
    const nodeIds = [...snapshot.nodes.keys()];
    for (const [count, rounds] of [
      [1, 9],
      [NODES, 1],
    ] as const) {
      const ours: number[] = [];
      const baseline: number[] = [];
      let objects = 0;
      for (let round = 0; round < rounds; round++) {
        snapshot = committed(snapshot);
        objects = 0;
        let computing = 0;
        let sending = 0;
        // State by state, so that a thousand of them need not fit in memory at once.
        for (const nodeId of nodeIds.slice(0, count)) {
          const start = performance.now();
          const state = computeNodeState(snapshot, nodeId);
          computing += performance.now() - start;
          sending += await milliseconds(() => JSON.parse(JSON.stringify(state)) as unknown);
          objects += state.objects.length;
        }
        ours.push(computing);
        baseline.push(sending);
      }
      comparisons.push(
        comparison({
          case: `${count === 1 ? 'one node' : 'all nodes'} of ${NODES}, ${services} services x ${ENDPOINTS_PER_SERVICE}`,
          unit: 'ms',
          ours: median(ours),
          baseline: median(baseline),
          against: 'JSON.stringify and JSON.parse of the same states',
          detail: { objects, objectsPerSecond: Math.round((objects / median(ours)) * 1000) },
        }),
      );
      report(`${count} node(s): ${Math.round(median(ours))} ms`);
    }
  }
  return comparisons;
};
