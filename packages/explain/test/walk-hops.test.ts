import { dataPlaneSnapshot, seededReals } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import type { Hop, Path, World } from '../src/index.js';
import { flow, withHost, worldOf } from './walk-worlds.js';

const snapshot = dataPlaneSnapshot();
const whole = worldOf(snapshot);
const clients = [...snapshot.endpoints.values()]
  .filter(({ presence }) => presence !== 'absent')
  .map(({ name }) => name)
  .concat('node:node1', 'node:node3', 'outside');
const hosts = ['172.16.130.140', '172.16.130.164', '172.16.130.170'];
const destinations = [...snapshot.services.values()]
  .flatMap(({ networks }) => networks.flatMap(({ address }) => address ?? []))
  .concat([...snapshot.endpoints.values()].flatMap(({ addresses, flannel }) => addresses.map(({ address }) => address).concat(flannel?.address ?? [])))
  .concat(hosts, '127.0.0.1', '203.0.113.5', '10.244.9.9', '10.99.0.1');
const ports = [80, 8000, 8443, 9100, 5140];

/** Every client to every destination, at a port that is another one each time. */
function* everyFlow(world: World): Generator<Path> {
  let i = 0;
  for (const client of clients) {
    for (const to of destinations) {
      const port = ports[i++ % ports.length] ?? 80;
      const transport = port === 5140 ? 'udp' : i % 11 === 0 ? 'icmp' : 'tcp';
      yield* flow(world, client, { to, port, transport, size: i % 7 === 0 ? 1400 : 60 });
    }
  }
}

function isWhole(hops: readonly Hop[]): boolean {
  return hops.every(({ before }, i) => i === 0 || before === hops[i - 1]?.after);
}

/** What is wrong with how a path is told. */
function faultOf({ forward, reply, verdict, share }: Path): string | undefined {
  const { outcome, hop, inReply, reason, object, to } = verdict;
  if (!isWhole(forward) || !isWhole(reply)) return 'a packet changes between two hops';
  const hops = inReply ? reply : forward;
  if (hop === null ? forward.length > 0 : hop !== hops.length - 1) return `it ends at hop ${hop} of ${hops.length}`;
  if (reason === '' || reason.includes('undefined') || reason.includes('null')) return `the reason is "${reason}"`;
  if (share < 0 || share > 1) return `the share is ${share}`;
  if (outcome === 'delivered' && (object !== null || to === null || reply.length === 0)) return 'it is delivered, and somebody is blamed';
  if (!inReply && outcome !== 'delivered' && (reply.length > 0 || to !== null)) return 'it ends before somebody has it, who has it';
  return undefined;
}

describe('the hops of every flow', () => {
  it('hang together, and the verdict stands at the last of them', () => {
    const outcomes = new Map<string, number>();
    for (const path of everyFlow(whole)) {
      expect(faultOf(path)).toBeUndefined();
      outcomes.set(path.verdict.outcome, (outcomes.get(path.verdict.outcome) ?? 0) + 1);
    }
    // What should be there is there: nothing is lost that was delivered, and nothing is too big.
    expect([...outcomes.keys()].sort()).toEqual(['delivered', 'dropped', 'no-backend', 'unreachable']);
    expect(outcomes.get('delivered')).toBeGreaterThan(200);
  });

  it('hang together whatever is missing', { timeout: 60_000 }, () => {
    const next = seededReals(7);
    for (let round = 0; round < 8; round++) {
      const world = ['node1', 'node2', 'node3'].reduce(
        (before, node) => withHost(before, node, (kernel) => ({ ...kernel, things: kernel.things.filter(() => next() > 0.03) })),
        whole,
      );
      for (const path of everyFlow(world)) expect(faultOf(path)).toBeUndefined();
    }
  });

  it('are the same each time', () => {
    const [one, other] = [whole, worldOf(dataPlaneSnapshot())].map((world) => JSON.stringify([...everyFlow(world)]));
    expect(one).toBe(other);
  });
});
