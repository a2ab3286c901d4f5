import { dockerState, type ExpectedNamespace, swarmIndex } from '@portolan/swarm';
import { describe, expect, it } from 'vitest';
import { idOf, published, swarmOf } from './docker-swarms.js';

const NODES = 100;
const SERVICES = 50;
const TASKS = 4;
const networks = ['ingress', 'front', 'back'];

/** Of one length, so that no name is the beginning of another. */
function numbered(word: string, number: number): string {
  return `${word}${String(number).padStart(3, '0')}`;
}

function addressOf(network: number, host: number): string {
  return `10.${network}.${host >> 8}.${host & 255}`;
}

/** Every service is on all three networks and publishes a port; four tasks of each, over all nodes. */
const swarm = swarmOf({
  networks: networks.map((name, i) => ({ name, ingress: i === 0, subnets: [{ subnet: `10.${i}.0.0/16`, gateway: addressOf(i, 1), vni: 4096 + i }] })),
  nodes: Array.from({ length: NODES }, (_, n) => ({
    name: numbered('node', n),
    on: Object.fromEntries(networks.map((name, i) => [name, addressOf(i, 1000 + n)])),
    gateway: { subnet: '172.18.0.0/16', gateway: '172.18.0.1', ingress: '172.18.0.2', sandboxes: {} },
  })),
  services: Array.from({ length: SERVICES }, (_, s) => ({
    name: numbered('s', s),
    on: Object.fromEntries(networks.map((name, i) => [name, addressOf(i, 2000 + s)])),
    ports: [published(8000 + s, 80)],
  })),
  tasks: Array.from({ length: SERVICES * TASKS }, (_, t) => ({
    name: numbered('t', t),
    service: numbered('s', t % SERVICES),
    node: numbered('node', t % NODES),
    on: Object.fromEntries(networks.map((name, i) => [name, addressOf(i, 3000 + t)])),
  })),
});

function overlayOf(state: readonly ExpectedNamespace[]): ExpectedNamespace {
  const found = state.find(({ role, networkId }) => role === 'overlay' && networkId === idOf('front'));
  if (found === undefined) throw new Error('the network front is not there');
  return found;
}

describe('a large swarm', () => {
  it('is worked out once for all of its nodes: what is the same on each is the same object', () => {
    const index = swarmIndex(swarm);
    const one = overlayOf(dockerState(index, idOf(numbered('node', 1))));
    const two = overlayOf(dockerState(index, idOf(numbered('node', 2))));
    expect(one.dump.neighbours).toHaveLength(SERVICES * TASKS - 2 + NODES - 1);
    const shared = new Set<unknown>(one.dump.neighbours);
    expect(two.dump.neighbours.filter((neighbour) => shared.has(neighbour))).toHaveLength(SERVICES * TASKS - 4 + NODES - 2);
  });

  it('takes little time for all nodes together', () => {
    const runs = Array.from({ length: 3 }, () => {
      const start = process.cpuUsage();
      const index = swarmIndex(swarm);
      const count = swarm.nodes.reduce((sum, { id }) => sum + dockerState(index, id).reduce((all, { origins }) => all + origins.size, 0), 0);
      return { count, milliseconds: process.cpuUsage(start).user / 1000 };
    });
    expect(runs[0]?.count).toBeGreaterThan(300_000);
    // Of the processor, and the best of them: the machine may be busy with other tests.
    expect(Math.min(...runs.map(({ milliseconds }) => milliseconds))).toBeLessThan(1500);
  });
});
