import { portName, serviceLabel, serviceOf, taskName } from './book.js';
import type { Difference } from './difference.js';
import { GATEWAY } from './links.js';
import { type Effect, harm, leastMtu, objectOf, originOf, type Place, warn } from './place.js';
import { conditionValue } from './rule.js';

/** What a difference on the host itself does: to published ports on this node, and to its tasks' way out. */
export function hostEffect(difference: Difference, place: Place): Effect {
  const object = objectOf(difference);
  const { name } = place.node;
  const { aspect } = difference;
  const none = `no published port answers through ${name}`;
  if (aspect === 'copy') return warn('none that a user sees: it is there once more');
  switch (object?.kind) {
    case 'rule':
      return ruleEffect(difference, place);
    case 'chain':
      return harm(object.chain.chain === 'DOCKER-INGRESS' ? none : `rules of Docker's on ${name} have no chain to stand in`);
    case 'sysctl':
      if (object.name.endsWith('.route_localnet')) return harm(`published ports do not answer at 127.0.0.1 on ${name} itself`);
      return harm(`${none}, and tasks on ${name} reach nothing outside of their networks`);
    case 'address':
      return harm(`${none}, and tasks on ${name} reach nothing outside of their networks`);
    case 'port':
      return harm(onePort(difference, place));
    case 'link':
      if (aspect === 'mtu') return harm(`requests and answers over docker_gwbridge on ${name} with packets of more than ${leastMtu(difference)} bytes hang`);
      return harm(object.link.kind === 'bridge' ? `${none}, and tasks on ${name} reach nothing outside of their networks` : onePort(difference, place));
    default:
      return harm(none);
  }
}

/** The links of docker_gwbridge do not tell whose they are. */
function onePort({ owner }: Difference, { node, book }: Place): string {
  const task = book.tasks.get(owner?.taskId ?? '');
  if (owner?.role === 'ingress') return `no published port answers through ${node.name}: its ingress sandbox is cut off`;
  if (owner !== undefined)
    return `${task === undefined ? `the container in ${owner.name}` : `task ${taskName(task, book)}`} reaches nothing outside of its networks`;
  return `the ingress sandbox of ${node.name} (no published port answers there then) or one of its tasks (which reaches nothing outside then) is cut off`;
}

function ruleEffect(difference: Difference, place: Place): Effect {
  const { book, node, observed } = place;
  const rule = difference.expected?.kind === 'rule' ? difference.expected.rule : difference.found?.kind === 'rule' ? difference.found.rule : undefined;
  const none = `no published port answers through ${node.name}`;
  if (rule === undefined) return harm(none);
  const { table, chain, target } = rule;
  const forwardPolicy = observed.chains.find((it) => it.table === 'filter' && it.chain === 'FORWARD')?.policy;
  if (difference.aspect === 'table')
    return harm(table === 'nat' ? none : `nothing keeps containers on ${node.name} apart, and published ports depend on the policy of FORWARD`);
  const service = serviceOf(originOf(difference, place), book);
  const port = originOf(difference, place)?.port;
  const published = { protocol: port?.protocol ?? 'tcp', published: port?.published ?? Number(conditionValue(rule.match, '--dport') ?? 0) } as const;
  const label =
    service === undefined
      ? `port ${published.published}`
      : port === undefined
        ? serviceLabel(service, book.ingress?.id ?? null, book)
        : portName(service, published);
  if (difference.aspect === 'order') {
    const taken = 'the rule before it takes what is for it';
    const inner = conditionValue(difference.before?.match ?? '', '-i') === GATEWAY;
    if (target !== 'DOCKER-INGRESS') return harm(`${label} does not answer through ${node.name}: ${taken}`);
    if (chain === 'OUTPUT') return harm(`published ports do not answer on ${node.name} itself: ${taken}`);
    return harm(`${inner ? `containers on ${node.name} get no answer from published ports at ${node.name}` : none}: ${taken}`);
  }
  if (difference.kind === 'unexpected') {
    return target === 'DNAT'
      ? warn(`port ${conditionValue(rule.match, '--dport') ?? ''} of ${node.name} leads to nobody`)
      : warn(`none that a user sees: nothing is published there any more`);
  }
  if (chain === 'DOCKER-INGRESS') {
    if (target === 'DNAT' && difference.found !== null)
      return harm(`${label} does not answer through ${node.name}: it is sent where its ingress sandbox is not`);
    if (target === 'DNAT') return harm(`${label} does not answer through ${node.name}: connections reach dockerd, which never answers`);
    if (target === 'ACCEPT') {
      const answers = conditionValue(rule.match, '--sport') !== undefined;
      if (answers) return warn(`none while answers of ${label} through ${node.name} may leave docker_gwbridge anyway`);
      return forwardPolicy === 'DROP'
        ? harm(`${label} does not answer through ${node.name}`)
        : warn(`containers on ${node.name} get no answer from ${label} at ${node.name}`);
    }
    return warn('none while the chain ends there anyway');
  }
  if (target === 'DOCKER-INGRESS') {
    if (table === 'nat' && chain === 'OUTPUT') return harm(`published ports do not answer on ${node.name} itself`);
    return table === 'nat' || forwardPolicy === 'DROP' ? harm(none) : warn(`containers on ${node.name} get no answer from published ports at ${node.name}`);
  }
  if (target === 'RETURN') return warn('none while the chain ends there anyway');
  if (table === 'nat' && target === 'DOCKER') return hostPortsEffect(place);
  if (chain === 'DOCKER')
    return target === 'DNAT' || target === 'ACCEPT'
      ? harm(`port ${published.published} of ${service?.name ?? 'a task'} on ${node.name} does not answer`)
      : warn('none: containers reach published ports another way');
  if (target === 'MASQUERADE') {
    return conditionValue(rule.match, '--src-type') === 'LOCAL'
      ? harm(`published ports do not answer at 127.0.0.1 on ${node.name} itself`)
      : conditionValue(rule.match, '-d') !== undefined
        ? warn(`${service?.name ?? 'a task'} does not reach itself by its published port`)
        : harm(`tasks on ${node.name} get no answers from outside of their networks`);
  }
  if (target === 'DROP') return warn(`containers on docker_gwbridge of ${node.name} are not kept apart from each other`);
  if (target === 'DOCKER-USER' || chain === 'DOCKER-USER') return warn(`rules of the owner of ${node.name} in DOCKER-USER are not asked`);
  if (target?.startsWith('DOCKER-ISOLATION')) return warn(`networks of containers on ${node.name} are not kept apart from each other`);
  return forwardPolicy === 'DROP'
    ? harm(`tasks on ${node.name} get no answers from outside of their networks`)
    : warn(`none while the policy of FORWARD on ${node.name} is ACCEPT`);
}

/** Ports of mode host, and those of containers that are no tasks. */
function hostPortsEffect({ book, node }: Place): Effect {
  const tasks = book.tasksOn(node.id).filter(({ hostPorts }) => hostPorts.length > 0);
  if (tasks.length === 0) return warn(`ports that containers on ${node.name} publish without the swarm do not answer`);
  return harm(`ports of mode host on ${node.name} do not answer: those of ${tasks.map((task) => taskName(task, book)).join(', ')}`);
}
