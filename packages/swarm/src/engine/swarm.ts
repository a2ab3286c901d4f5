import type { Swarm } from '../facts.js';
import { type Complaints, complaintsOf, type Element, readElements, type Shape } from './documents.js';
import type { SwarmFault } from './fault.js';
import { type NodeNetworks, swarmNetworks, withoutSubnets } from './networks.js';
import { metNodes, refuseStrangers, swarmNodes } from './nodes.js';
import { engineNetwork, engineNode, engineService, engineTask } from './schemas.js';
import { swarmServices } from './services.js';
import { isOfTask, swarmTasks } from './tasks.js';

/** JSON texts of a collection; null where there is no such file. */
export interface EngineDocuments {
  readonly services: string | null;
  readonly tasks: string | null;
  readonly nodes: string | null;
  /** NODE.networks.json by NODE. */
  readonly networks: ReadonlyMap<string, string>;
}

export interface ReadSwarm {
  readonly swarm: Swarm;
  /** What of the texts could not be read, or is not there. The swarm is what the rest says. */
  readonly faults: readonly SwarmFault[];
}

/**
 * A swarm by what its managers and nodes say of it. Docker 20.10 to 29. Lists are in the order of names, networks and places of the order of ids.
 *
 * - A network is instantiated on a node (`balancers`) when the node has an address of its own there; managers list all.
 * - A node's address is the VTEP by which others know it; only without its networks that by which the managers do.
 * - A text that is empty is one of no services or tasks (`docker service inspect` without arguments prints nothing), unless others know some.
 * - Tasks that only their nodes still know leave. `serviceId` is '' where the service is gone.
 */
export function readSwarm(documents: EngineDocuments): ReadSwarm {
  const faults: SwarmFault[] = [];
  const nodes = elementsOf('nodes.json', documents.nodes, engineNode, faults);
  const services = elementsOf('services.json', documents.services, engineService, faults);
  const tasks = elementsOf('tasks.json', documents.tasks, engineTask, faults);
  const files = networkFiles(documents.networks, faults);
  const complaints = { nodes: complaintsOf('nodes.json', faults), services: complaintsOf('services.json', faults), tasks: complaintsOf('tasks.json', faults) };
  if (nodes.length > 0) refuseStrangers(nodes, files);

  const networks = swarmNetworks(files, tasks, complaints.tasks);
  for (const { name } of withoutSubnets(networks)) {
    const fix = 'Collect from a node that has a task on the network, or look at it there: docker network inspect.';
    faults.push({ file: files[0]?.file ?? 'tasks.json', message: `no node says which subnets the network "${name}" has`, fix });
  }
  const met = metNodes(nodes, files);
  const places = new Map(met.flatMap(({ element, places: own }) => (own === null ? [] : [[element.value.ID, own] as const])));
  const swarm: Swarm = {
    nodes: swarmNodes(met, complaints.nodes),
    networks: networks.filter(({ subnets }) => subnets.length > 0),
    services: swarmServices(services, networks, complaints.services),
    tasks: [],
  };
  const complete = { ...swarm, tasks: swarmTasks(tasks, { services: swarm.services, networks, places }, complaints.tasks) };
  refuseCutOff(documents, complete, files, complaints);
  return { swarm: complete, faults: unique(faults) };
}

const fixes: Readonly<Record<string, string>> = {
  'nodes.json': 'Run portolan swarm collect on a manager, into the same directory.',
  'services.json': 'Run portolan swarm collect on a manager, into the same directory.',
  'tasks.json': 'Run portolan swarm collect on a manager, into the same directory.',
};

function elementsOf<T>(file: string, text: string | null, shape: Shape<T>, faults: SwarmFault[]): readonly Element<T>[] {
  const complaints = complaintsOf(file, faults);
  if (text === null) complaints.at('', 'is missing', fixes[file]);
  // Whether there is nothing or whether it was cut off, others know: see `refuseCutOff`.
  else if (text.trim() !== '') return readElements(text, shape, complaints) ?? [];
  return [];
}

function networkFiles(texts: EngineDocuments['networks'], faults: SwarmFault[]): readonly NodeNetworks[] {
  if (texts.size === 0) {
    faults.push({ file: 'NODE.networks.json', message: 'there is none', fix: 'Run portolan swarm collect on each node, into the same directory.' });
  }
  return [...texts].flatMap(([node, text]) => {
    const file = `${node}.networks.json`;
    const complaints = complaintsOf(file, faults);
    // Each node of a swarm has the ingress network at least.
    if (text.trim() === '') {
      complaints.at('', 'is empty');
      return [];
    }
    const elements = readElements(text, engineNetwork, complaints);
    return elements === null ? [] : [{ node, file, complaints, elements }];
  });
}

/** An empty text that should not be: something else of the collection knows what it should hold. */
function refuseCutOff(
  { nodes, services, tasks }: EngineDocuments,
  swarm: Swarm,
  files: readonly NodeNetworks[],
  complaints: Readonly<Record<'nodes' | 'services' | 'tasks', Complaints>>,
): void {
  const isEmpty = (text: string | null): boolean => text !== null && text.trim() === '';
  if (isEmpty(nodes)) complaints.nodes.at('', 'is empty, but a swarm has a manager at least', fixes['nodes.json']);
  const [task] = swarm.tasks.filter(({ state }) => state !== 'leaving');
  if (isEmpty(services) && task !== undefined) complaints.services.at('', `is empty, but tasks.json has the task ${task.name}`, fixes['services.json']);
  if (!isEmpty(tasks)) return;
  for (const { file, elements } of files) {
    for (const { value } of elements) {
      const container = Object.values(value.Containers ?? {}).find(({ Name }) => isOfTask({ name: Name ?? '' }));
      if (container === undefined) continue;
      complaints.tasks.at('', `is empty, but ${file} has the task ${container.Name}`, fixes['tasks.json']);
      return;
    }
  }
}

/** Once each: several nodes say the same of one network. */
function unique(faults: readonly SwarmFault[]): readonly SwarmFault[] {
  return [...new Map(faults.map((fault) => [`${fault.file} ${fault.message}`, fault])).values()];
}
