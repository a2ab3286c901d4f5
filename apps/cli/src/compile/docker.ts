import { type NamespaceDump, withKernelParts } from '@portolan/dump';
import type { Id, Node, Snapshot } from '@portolan/model';
import { dockerState, type ExpectedNamespace, objectKey, swarmOfSnapshot } from '@portolan/swarm';
import { CommandFailure, exitCodes } from '../failure.js';
import type { Compiled } from './compiled.js';
import { dockerScript } from './docker-script.js';

/** What Docker 20.10 would program on a new node for the same networks, services, endpoints and addresses. */
export function compileDocker(snapshot: Snapshot, nodeId: Id): Compiled {
  const namespaces = dockerState(swarmOfSnapshot(snapshot), nodeId).map((expected) => ({ ...expected, dump: ofNewNode(expected) }));
  const dumps = new Map<string, NamespaceDump>();
  for (const { name, dump } of namespaces) {
    // Docker cuts the names of sandboxes: what is one namespace to it cannot be told apart.
    if (dumps.has(name)) throw twins(name);
    dumps.set(name, withKernelParts(dump));
  }
  const node = snapshot.nodes.get(nodeId);
  const nameless = [...snapshot.endpoints.values()].filter(({ nodeId: own, attachment }) => own === nodeId && !('netns' in attachment));
  return {
    notes: nameless.map(
      ({ name }) => `what Docker programs in the namespace of ${name} is left out, for its name is not known: give its path (attachment.netns)`,
    ),
    json: {
      cluster: snapshot.cluster.name,
      node: node?.name,
      address: node?.address,
      namespaces: namespaces.map(({ name, role, networkId, taskId, dump }) => ({ name, role, networkId, taskId, dump })),
    },
    dumps: () => dumps,
    commands: () => dockerScript(titleOf(snapshot, node), dumps),
  };
}

/** Without what may be left from before: rules and settings for published ports where there are none (any more). */
function ofNewNode({ dump, optional }: ExpectedNamespace): NamespaceDump {
  return {
    ...dump,
    chains: dump.chains.filter((chain) => !optional.has(objectKey({ kind: 'chain', chain }))),
    rules: dump.rules.filter((rule) => !optional.has(objectKey({ kind: 'rule', rule }))),
    sysctls: Object.fromEntries(Object.entries(dump.sysctls).filter(([name, value]) => !optional.has(objectKey({ kind: 'sysctl', name, value })))),
  };
}

function titleOf({ cluster }: Snapshot, node: Node | undefined): string {
  return `The data plane of node ${node?.name} (${node?.address}) of cluster ${cluster.name}, as Docker 20.10 programs it.`;
}

function twins(name: string): CommandFailure {
  const fix = 'Give them paths (attachment.netns) whose last parts differ in their first 12 characters.';
  return new CommandFailure(exitCodes.refused, `two endpoints of the node have namespaces that Docker would call "${name}"`, fix);
}
