import type { NamespaceDump } from '@portolan/dump';
import type { Swarm, SwarmAddress, SwarmTask } from '../facts.js';
import { type ReadDumps, readDumps } from './dumps.js';

const SANDBOX = /^[0-9a-f]{12}$/;

/**
 * The swarm with the namespaces of tasks that the Engine API does not tell, as of tasks on internal networks only: the one on their node that has their
 * address. So too where the one that it tells is not there.
 */
export function withSandboxes(swarm: Swarm, dumps: ReadDumps): Swarm {
  const named = new Map<string, Set<string>>();
  const nodes = new Map(swarm.nodes.map(({ id, name }) => [id, name]));
  for (const { nodeId, sandbox } of swarm.tasks) {
    if (sandbox !== null) named.set(nodeId, (named.get(nodeId) ?? new Set()).add(sandbox));
  }
  const addressed = (task: SwarmTask): string | undefined => {
    const there = dumps.get(nodes.get(task.nodeId) ?? '');
    for (const [name, { dump }] of there ?? []) {
      if (SANDBOX.test(name) && !named.get(task.nodeId)?.has(name) && hasOneOf(dump, task.addresses)) return name;
    }
    return undefined;
  };
  const tasks = swarm.tasks.map((task): SwarmTask => {
    if (task.addresses.length === 0) return task;
    if (task.sandbox !== null && (dumps.get(nodes.get(task.nodeId) ?? '')?.has(task.sandbox) ?? true)) return task;
    return { ...task, sandbox: addressed(task) ?? task.sandbox };
  });
  return { ...swarm, tasks };
}

/** The same from the texts of a collection's dumps, by node and namespace. */
export function namedSandboxes(swarm: Swarm, texts: ReadonlyMap<string, ReadonlyMap<string, string>>): Swarm {
  return withSandboxes(swarm, readDumps(texts).dumps);
}

/** By address, or by the MAC that goes with it where the address was lost. */
function hasOneOf({ links }: NamespaceDump, addresses: readonly SwarmAddress[]): boolean {
  return links.some((link) => addresses.some((own) => own.mac === link.mac || link.addresses.some(({ address }) => address === own.address)));
}
