import { type ErrorCode, type Id, type Retired, type Snapshot, subnetsOf } from '@portolan/model';
import { block, type Finding, type Subject, subjectOf } from './finding.js';

/** Values that two objects of the cluster hold, and values that were given up and that another holds too early. */
export function* duplicateFindings(snapshot: Snapshot): Iterable<Finding> {
  const retired = new RetiredValues(snapshot.retired);
  const vnis = new Seen<number>('vni-taken', 'vni', 'the VNI', retired.of('vni', null));
  const marks = new Seen<number>('mark-taken', 'networks', 'the mark', retired.of('mark', null));
  const hosts = new Seen<string>('address-taken', 'address', 'the address');
  const pods = new Seen<string>('address-taken', 'flannel/address', 'the address');
  const names = { node: nameSeen(), network: nameSeen(), service: nameSeen(), endpoint: nameSeen() };
  const inNetwork = eachSeen((networkId: Id) => new Seen<string>('address-taken', 'address', 'the address', retired.of('address', networkId)));
  const gatewaysOn = eachSeen((_nodeId: Id) => new Seen<string>('address-taken', 'gatewayAddress', 'the gateway address'));

  for (const network of snapshot.networks.values()) {
    const subject = subjectOf('network', network);
    yield* names.network.enter(network.name, subject);
    for (const { vni, gateway } of subnetsOf(network)) {
      yield* vnis.enter(vni, subject);
      yield* inNetwork(network.id).enter(gateway, subject);
    }
  }
  for (const node of snapshot.nodes.values()) {
    const subject = subjectOf('node', node);
    yield* names.node.enter(node.name, subject);
    yield* hosts.enter(node.address, subject);
    for (const own of node.loadBalancers) yield* inNetwork(own.networkId).enter(own.address, subject);
  }
  for (const service of snapshot.services.values()) {
    const subject = subjectOf('service', service);
    yield* names.service.enter(service.name, subject);
    for (const { networkId, address, mark, localMark } of service.networks) {
      if (address !== null) yield* inNetwork(networkId).enter(address, subject);
      if (mark !== null) yield* marks.enter(mark, subject);
      if (localMark !== null) yield* marks.enter(localMark, subject);
    }
  }
  for (const endpoint of snapshot.endpoints.values()) {
    const subject = subjectOf('endpoint', endpoint);
    yield* names.endpoint.enter(endpoint.name, subject);
    for (const { networkId, address } of endpoint.addresses) yield* inNetwork(networkId).enter(address, subject, endpoint.serviceId);
    const pod = endpoint.flannel?.address ?? null;
    if (pod !== null) yield* pods.enter(pod, subject);
    if (endpoint.gatewayAddress !== null) yield* gatewaysOn(endpoint.nodeId).enter(endpoint.gatewayAddress, subject);
  }
  yield* publishedTwice(snapshot);
}

/** A port of mode `ingress` is one service's in the whole cluster; one of mode `host` is one endpoint's on each node. */
function* publishedTwice({ services, endpoints, nodes }: Snapshot): Iterable<Finding> {
  const ingress = new Seen<string>('port-taken', 'ports', 'the published port');
  for (const service of services.values()) {
    for (const port of service.ports) if (port.mode === 'ingress') yield* ingress.enter(`${port.published}/${port.protocol}`, subjectOf('service', service));
  }
  const onHosts = new Map<Id, readonly string[]>();
  for (const service of services.values()) {
    const keys = service.ports.filter((port) => port.mode === 'host').map((port) => `${port.published}/${port.protocol}`);
    if (keys.length > 0) onHosts.set(service.id, keys);
    for (const [i, key] of keys.entries()) {
      const other = ingress.holderOf(key);
      if (other !== undefined) {
        yield block('port-taken', subjectOf('service', service), 'ports', `the port ${key} is published in mode ingress by the service "${other.name}"`);
      }
      if (keys.indexOf(key) !== i) yield block('port-taken', subjectOf('service', service), 'ports', `the port ${key} is published twice in mode host`);
    }
  }
  if (onHosts.size === 0) return;
  const onNode = eachSeen((nodeId: Id) => new Seen<string>('port-taken', 'node', `on the node "${nodes.get(nodeId)?.name ?? nodeId}" the port`));
  for (const endpoint of endpoints.values()) {
    const keys = endpoint.serviceId === null ? [] : (onHosts.get(endpoint.serviceId) ?? []);
    for (const key of new Set(keys)) yield* onNode(endpoint.nodeId).enter(key, subjectOf('endpoint', endpoint));
  }
}

class Seen<Value extends string | number> {
  readonly #holders = new Map<Value, Subject>();
  readonly #code: ErrorCode;
  readonly #field: string;
  readonly #noun: string;
  readonly #retired: ReadonlyMap<string, Retired>;

  constructor(code: ErrorCode, field: string, noun: string, retired: ReadonlyMap<string, Retired> = nothing) {
    this.#code = code;
    this.#field = field;
    this.#noun = noun;
    this.#retired = retired;
  }

  holderOf(value: Value): Subject | undefined {
    return this.#holders.get(value);
  }

  /** `serviceId`: of the endpoint that holds the value. */
  enter(value: Value, subject: Subject, serviceId: Id | null = null): readonly Finding[] {
    const other = this.#holders.get(value);
    if (other !== undefined) return [block(this.#code, subject, this.#field, `${this.#noun} ${value} is held by the ${other.kind} "${other.name}" too`)];
    this.#holders.set(value, subject);
    const retired = this.#retired.size === 0 ? undefined : this.#retired.get(String(value));
    if (retired === undefined || isSame(retired, subject, serviceId)) return none;
    const { holder, revision } = retired;
    const message = `${this.#noun} ${value} was given up by the ${holder.kind} "${holder.name}" in revision ${revision}, and a node may still send what is meant for it`;
    return [block('still-held', subject, this.#field, message)];
  }
}

/** The object that gave the value up, made anew, or another one of its service. */
function isSame({ holder }: Retired, subject: Subject, serviceId: Id | null): boolean {
  return (holder.kind === subject.kind && holder.name === subject.name) || (holder.serviceId !== null && holder.serviceId === serviceId);
}

const none: readonly Finding[] = [];
const nothing: ReadonlyMap<string, Retired> = new Map();

class RetiredValues {
  readonly #byPool = new Map<string, Map<string, Retired>>();

  constructor(all: readonly Retired[]) {
    for (const retired of all) {
      const pool = `${retired.pool} ${retired.networkId ?? ''}`;
      const values = this.#byPool.get(pool) ?? new Map<string, Retired>();
      this.#byPool.set(pool, values.set(retired.value, retired));
    }
  }

  of(pool: Retired['pool'], networkId: Id | null): ReadonlyMap<string, Retired> {
    return this.#byPool.get(`${pool} ${networkId ?? ''}`) ?? nothing;
  }
}

/** One for each id, made when it is first asked for. */
function eachSeen(make: (id: Id) => Seen<string>): (id: Id) => Seen<string> {
  const all = new Map<Id, Seen<string>>();
  return (id) => {
    const seen = all.get(id) ?? make(id);
    all.set(id, seen);
    return seen;
  };
}

function nameSeen(): Seen<string> {
  return new Seen('duplicate-name', 'name', 'the name');
}
