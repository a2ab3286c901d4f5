import type { DumpedRule, NamespaceDump } from '@portolan/dump';
import type { Ipv4 } from '@portolan/model';
import type { Swarm, SwarmPort, SwarmTask } from '../facts.js';
import type { ReadDumps } from './dumps.js';
import { conditionValue } from './rule.js';

const BRIDGE = 'docker0';

/**
 * The swarm with the places on docker0 of tasks that have ports of mode host and are on no network of the swarm. Only the rules of their node tell: first those that
 * name the published port, then those that name the target port at an address that nobody else has.
 */
export function withBridges(swarm: Swarm, dumps: ReadDumps): Swarm {
  const placed = new Map<string, Ipv4>();
  for (const { id: nodeId, name } of swarm.nodes) {
    const host = dumps.get(name)?.get('host')?.dump;
    if (host === undefined) continue;
    const tasks = swarm.tasks.filter((task) => task.nodeId === nodeId && isOnBridge(task));
    const taken = new Set<Ipv4>();
    for (const addressIn of [publishedAt, answeredAt]) {
      for (const { id, hostPorts } of tasks) {
        if (placed.has(id)) continue;
        const address = hostPorts.flatMap((port) => addressIn(port, host)).find((found) => !taken.has(found));
        if (address === undefined) continue;
        taken.add(address);
        placed.set(id, address);
      }
    }
  }
  const tasks = swarm.tasks.map((task): SwarmTask => {
    const address = placed.get(task.id);
    return address === undefined ? task : { ...task, bridge: { name: BRIDGE, address } };
  });
  return { ...swarm, tasks };
}

function isOnBridge({ hostPorts, addresses }: SwarmTask): boolean {
  return hostPorts.length > 0 && addresses.length === 0;
}

function isFor({ match }: DumpedRule, protocol: string, port: number): boolean {
  return conditionValue(match, '-p') === protocol && conditionValue(match, '--dport') === `${port}`;
}

function publishedAt({ protocol, published, target }: SwarmPort, { rules }: NamespaceDump): readonly Ipv4[] {
  return rules
    .filter((rule) => rule.table === 'nat' && rule.chain === 'DOCKER' && rule.match.includes(BRIDGE) && isFor(rule, protocol, published))
    .flatMap(({ options }) => new RegExp(`^--to-destination ([0-9.]+):${target}$`).exec(options)?.[1] ?? []);
}

function answeredAt({ protocol, target }: SwarmPort, { rules }: NamespaceDump): readonly Ipv4[] {
  return rules
    .filter((rule) => rule.table === 'filter' && rule.chain === 'DOCKER' && rule.match.includes(`-o ${BRIDGE}`) && isFor(rule, protocol, target))
    .flatMap(({ match }) => conditionValue(match, '-d')?.replace('/32', '') ?? []);
}
