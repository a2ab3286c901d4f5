import type { SwarmAddress, SwarmNetwork, SwarmService, SwarmTask } from '../facts.js';
import { byName, byNetwork, byPort } from '../order.js';
import type { Complaints, Element } from './documents.js';
import type { AttachedContainer, NodePlaces } from './places.js';
import type { EngineTask } from './schemas.js';
import { interfaceOf, macOr, portsOf } from './values.js';

/** States of a task in the order in which it goes through them, by what is programmed of it. */
const startingStates = new Set(['new', 'pending', 'assigned', 'accepted', 'preparing', 'ready', 'starting']);
const endedStates = new Set(['complete', 'shutdown', 'failed', 'rejected', 'remove', 'orphaned']);
/** Desired of what is to be there; `complete` of a job, which ends by itself. */
const staying = new Set(['ready', 'running', 'complete']);

/** As Docker calls the container of a task; in a global service the node's id stands for the slot. */
const containerName = /^(?<service>.+)\.(?<slot>\d+|[a-z0-9]{25})\.(?<id>[a-z0-9]{25})$/;

interface Known {
  readonly services: readonly SwarmService[];
  readonly networks: readonly SwarmNetwork[];
  /** By the id of the node; of those that were collected. */
  readonly places: ReadonlyMap<string, NodePlaces>;
}

/** The tasks that are there or come, and those that only their nodes still know: they leave. */
export function swarmTasks(elements: readonly Element<EngineTask>[], known: Known, complaints: Complaints): readonly SwarmTask[] {
  const serviceNames = new Map(known.services.map(({ id, name }) => [id, name]));
  const overlays = new Set(known.networks.map(({ id }) => id));
  const tasks = elements.flatMap(({ value, path }) => taskOf(value, path, { ...known, serviceNames, overlays }, complaints));
  return [...tasks, ...leftOf(tasks, known)].sort(byName);
}

interface Names {
  readonly serviceNames: ReadonlyMap<string, string>;
  readonly overlays: ReadonlySet<string>;
}

/** Nothing of a task that has ended, that has no node yet, or that stands for a container of an attachable network. */
function taskOf(task: EngineTask, path: string, { places, serviceNames, overlays }: Known & Names, complaints: Complaints): readonly SwarmTask[] {
  const { ID: id, ServiceID: serviceId, NodeID: nodeId, Slot: slot, Status: status } = task;
  const state = stateOf(task, path, complaints);
  if (state === null || !serviceId || !nodeId) return [];
  const containerId = status?.ContainerStatus?.ContainerID || null;
  const container = containerId === null ? undefined : places.get(nodeId)?.containers.get(containerId);
  const hostPorts = portsOf(status?.PortStatus?.Ports, `${path}/Status/PortStatus/Ports`, complaints).filter(({ mode }) => mode === 'host');
  return [
    {
      id,
      name: `${serviceNames.get(serviceId) ?? serviceId}.${slot || nodeId}.${id}`,
      serviceId,
      nodeId,
      containerId,
      state,
      sandbox: container?.sandbox ?? null,
      addresses: addressesOf(task, path, { overlays, container }, complaints),
      hostPorts: hostPorts.sort(byPort),
    },
  ];
}

function stateOf({ DesiredState, Status }: EngineTask, path: string, complaints: Complaints): SwarmTask['state'] | null {
  const state = Status?.State ?? 'new';
  if (endedStates.has(state)) return null;
  if (state !== 'running' && !startingStates.has(state))
    complaints.at(`${path}/Status/State`, `"${state}" is no state of a task that is known; it is taken as one that starts`);
  if (!staying.has(DesiredState ?? 'running')) return 'leaving';
  return state === 'running' ? 'running' : 'starting';
}

interface OfTask {
  readonly overlays: ReadonlySet<string>;
  readonly container: AttachedContainer | undefined;
}

/** What the manager allocated, with the MACs that the node knows. */
function addressesOf({ NetworksAttachments }: EngineTask, path: string, { overlays, container }: OfTask, complaints: Complaints): readonly SwarmAddress[] {
  const addresses = (NetworksAttachments ?? []).flatMap(({ Network, Addresses }, i): readonly SwarmAddress[] => {
    const networkId = Network?.ID ?? '';
    if (!overlays.has(networkId)) return [];
    for (const [j, text] of (Addresses ?? []).entries()) {
      const found = interfaceOf(text, `${path}/NetworksAttachments/${i}/Addresses/${j}`, complaints);
      if (found === null) continue;
      const seen = container?.addresses.find((own) => own.networkId === networkId && own.address === found.address);
      return [{ networkId, ...found, mac: seen?.mac ?? macOr(null, found.address) }];
    }
    return [];
  });
  return addresses.sort(byNetwork);
}

/** Containers of tasks that the manager counts as ended, or of services that it has forgotten, and that their nodes have not removed yet. */
function leftOf(tasks: readonly SwarmTask[], { services, places }: Known): readonly SwarmTask[] {
  const ids = new Set(tasks.map(({ id }) => id));
  const containerIds = new Set(tasks.map(({ containerId }) => containerId));
  const serviceIds = new Map(services.map(({ id, name }) => [name, id]));
  return [...places].flatMap(([nodeId, { containers }]) =>
    [...containers.values()].flatMap(({ containerId, name, sandbox, addresses }): readonly SwarmTask[] => {
      const { service, id } = containerName.exec(name)?.groups ?? {};
      if (id === undefined || ids.has(id) || containerIds.has(containerId)) return [];
      return [{ id, name, serviceId: serviceIds.get(service ?? '') ?? '', nodeId, containerId, state: 'leaving' as const, sandbox, addresses, hostPorts: [] }];
    }),
  );
}

/** Whether a container is one of a task, by its name. */
export function isOfTask({ name }: Pick<AttachedContainer, 'name'>): boolean {
  return containerName.test(name);
}
