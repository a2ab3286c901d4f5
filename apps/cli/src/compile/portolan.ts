import { computeNodeState } from '@portolan/compute';
import { dumpsOfState, type NamespaceDump, namesOfSpaces } from '@portolan/dump';
import type { Id, Snapshot } from '@portolan/model';
import { type NodeState, observedState, type Space } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { type Batch, type Layout, renderPlan, type Tool } from '@portolan/render';
import type { Compiled } from './compiled.js';
import { namedPath, quoted, Script } from './script.js';

/** What the agent of a node applies. */
export function compilePortolan(snapshot: Snapshot, nodeId: Id): Compiled {
  const state = computeNodeState(snapshot, nodeId);
  const names = namesOfSpaces(state);
  const layout: Layout = { pathOf: (space) => pathOf(state, names, space) };
  const batches = batchesOf(state, layout);
  return {
    notes: [],
    json: state,
    dumps: (): ReadonlyMap<string, NamespaceDump> => dumpsOfState(state, (space) => rulesIn(batches, space)),
    commands: () => scriptOf(state, batches, layout, names),
  };
}

/** Of the whole state in an empty kernel, one a tool and namespace. */
function batchesOf(state: NodeState, layout: Layout): readonly Batch[] {
  const present = Object.fromEntries(Object.keys(state.endpoints).map((id) => [id, 'present' as const]));
  return renderPlan(diffNodeState(observedState([], present, []), state), state, layout);
}

function pathOf({ endpoints }: NodeState, names: ReadonlyMap<Space, string>, space: Space): string {
  const attachment = space.startsWith('endpoint:') ? endpoints[space.slice('endpoint:'.length)]?.attachment : undefined;
  return attachment !== undefined && 'netns' in attachment ? attachment.netns : namedPath(names.get(space) ?? space);
}

function rulesIn(batches: readonly Batch[], space: Space): string {
  return batches
    .filter((batch) => batch.tool === 'iptables-restore' && batch.space === space)
    .map(({ text }) => text)
    .join('');
}

/** Tools that read a batch as it is; how the agent calls them. */
const readers: Partial<Record<Tool, string>> = {
  ip: 'ip -batch -',
  bridge: 'bridge -batch -',
  sysctl: 'sysctl -q -p -',
  'iptables-restore': 'iptables-restore --noflush --wait 10',
  ipvsadm: 'ipvsadm -R',
  conntrack: 'conntrack --load-file /proc/self/fd/0',
};

/** What the agent does by itself. */
const agents: Partial<Record<Tool, string>> = {
  dns: 'Names, which the name server of the agent answers. No tool applies them',
  relay: 'The relay of the udp backend, which the agent runs. No tool applies it',
  file: 'Files, which the agent writes with this content. No tool applies them',
};

function scriptOf(state: NodeState, batches: readonly Batch[], layout: Layout, names: ReadonlyMap<Space, string>): string {
  const script = new Script();
  script.comment(
    `The data plane of node ${state.node} (${state.address}) of cluster ${state.cluster}, as the agent of Portolan makes it in an empty kernel.`,
    'Run it once, as root, on the node; the namespaces of its endpoints are there before.',
    `${state.objects.length} objects, hash ${state.hash}.`,
  );
  script.command('set -eu');
  script.loadIpvs(state.objects.flatMap(({ body }) => (body.kind === 'virtual-server' ? [body.scheduler] : [])));
  attachEndpoints(state, names, script);
  for (const { tool, space, text, goesOn } of batches) {
    const lines = text.split('\n').filter((line) => line !== '');
    const reader = readers[tool];
    if (tool === 'netns')
      script.feed(
        undefined,
        'ip -batch -',
        lines.map((line) => `netns ${line}`),
      );
    else if (reader === undefined) {
      script.comment(`${agents[tool] ?? tool}:`, '', ...lines);
      const devices = tool === 'relay' ? relayDevices(state, lines) : [];
      // The relay makes its device by itself; what is made of it below is made of one that waits for the relay.
      script.feed(
        undefined,
        'ip -batch -',
        devices.map((name) => `tuntap add dev ${name} mode tun`),
      );
    } else {
      const path = space === 'host' ? undefined : layout.pathOf(space);
      script.feed(path, goesOn === true && (tool === 'ip' || tool === 'bridge') ? reader.replace(' -batch', ' -force -batch') : reader, lines, goesOn);
    }
  }
  return script.toString();
}

/** Names for the namespaces of endpoints that have none: those of processes and containers. */
function attachEndpoints({ endpoints }: NodeState, names: ReadonlyMap<Space, string>, script: Script): void {
  const lines = Object.entries(endpoints).flatMap(([id, { attachment }]) => {
    const name = quoted(names.get(`endpoint:${id}`) ?? id);
    if ('pid' in attachment) return [`ip netns attach ${name} ${attachment.pid}`];
    if ('container' in attachment) return [`ip netns attach ${name} "$(docker inspect --format '{{.State.Pid}}' ${quoted(attachment.container)})"`];
    return [];
  });
  if (lines.length > 0) script.command(...lines);
}

function relayDevices({ objects }: NodeState, lines: readonly string[]): string[] {
  return objects.flatMap(({ key, body }) => (body.kind === 'udp-relay' && lines.some((line) => line.startsWith(`set ${key} `)) ? [body.name] : []));
}
