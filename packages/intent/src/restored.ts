import type { Endpoint, Id, Ipv4, Node, NounKind, Retired, Service, ServiceNetwork, Snapshot } from '@portolan/model';
import type { Edit } from './edit.js';
import type { Former } from './former.js';

/**
 * Gives the objects of an edit that goes back what they had and what no spec says: marks of policy local, addresses of nodes, gateway
 * addresses, addresses of the flannel network. Only what is free or still the object's own: what another has, or gave up a moment ago, it keeps.
 */
export function restoreUnwritten(edit: Edit, former: Former): void {
  for (const was of former.snapshot.services.values()) restoreService(edit, former.snapshot, was);
  for (const was of former.snapshot.nodes.values()) restoreNode(edit, former.snapshot, was);
  const gateways = gatewaysOf(edit, former);
  for (const was of former.snapshot.endpoints.values()) restoreEndpoint(edit, was, gateways);
}

function restoreService(edit: Edit, former: Snapshot, was: Service): void {
  if (was.networks.every(({ localMark }) => localMark === null)) return;
  const service = named(edit, 'service', was.name, (id) => edit.service(id));
  if (service === undefined) return;
  const networks = service.networks.map((own): ServiceNetwork => {
    const mark = was.networks.find(({ networkId }) => nameIn(former, networkId) === edit.network(own.networkId)?.name)?.localMark ?? null;
    const isWanted = mark !== null && mark !== own.localMark && isFree(edit.ledger.marks, mark, { kind: 'service', name: was.name });
    return isWanted ? { ...own, localMark: mark } : own;
  });
  if (networks.some((own, i) => own !== service.networks[i])) edit.services.set(service.id, { ...service, networks });
}

function restoreNode(edit: Edit, former: Snapshot, was: Node): void {
  const node = named(edit, 'node', was.name, (id) => edit.node(id));
  if (node === undefined) return;
  const loadBalancers = new Map(node.loadBalancers.map((own) => [own.networkId, own]));
  for (const { networkId: formerId, address } of was.loadBalancers) {
    const networkId = edit.idOf('network', nameIn(former, formerId) ?? '');
    if (networkId === undefined || loadBalancers.get(networkId)?.address === address) continue;
    if (isFree(edit.ledger.addressesOf(networkId), address, { kind: 'node', name: was.name })) loadBalancers.set(networkId, { networkId, address });
  }
  const same = loadBalancers.size === node.loadBalancers.length && node.loadBalancers.every((own) => loadBalancers.get(own.networkId) === own);
  if (!same) edit.nodes.set(node.id, { ...node, loadBalancers: [...loadBalancers.values()] });
}

function restoreEndpoint(edit: Edit, was: Endpoint, gateways: ReadonlyMap<Id, Ipv4>): void {
  const endpoint = named(edit, 'endpoint', was.name, (id) => edit.endpoint(id));
  if (endpoint === undefined) return;
  const gatewayAddress = gateways.get(endpoint.id) ?? endpoint.gatewayAddress;
  const pod = was.flannel?.address ?? null;
  // One that it has follows the lease of its node.
  const isNewPod = endpoint.flannel !== null && !endpoint.flannel.fixed && endpoint.flannel.address === null;
  const hasPod = isNewPod && pod !== null && isFree(edit.ledger.podAddresses, pod, { kind: 'endpoint', name: was.name });
  if (gatewayAddress === endpoint.gatewayAddress && !hasPod) return;
  edit.endpoints.set(endpoint.id, { ...endpoint, gatewayAddress, ...(hasPod ? { flannel: { address: pod, fixed: false } } : {}) });
}

/**
 * Gateway addresses by endpoint. They need no retirement, so what one gives up another can have at once: all have theirs again, but where one
 * that was not there then has it, or one that itself cannot have its own.
 */
function gatewaysOf(edit: Edit, former: Former): ReadonlyMap<Id, Ipv4> {
  const wanted = new Map<Id, string>();
  const gateways = new Map<Id, Ipv4>();
  const kept = new Set<string>();
  const keep = ({ nodeId, gatewayAddress }: Pick<Endpoint, 'nodeId' | 'gatewayAddress'>): unknown =>
    gatewayAddress !== null && kept.add(`${nodeId} ${gatewayAddress}`);
  for (const id of new Set([...edit.base.endpoints.keys(), ...edit.endpoints.keys()])) {
    const endpoint = edit.endpoint(id);
    if (endpoint === undefined) continue;
    const was = former.named('endpoint', endpoint.name)?.gatewayAddress ?? null;
    if (was === null) keep(endpoint);
    else {
      wanted.set(id, `${endpoint.nodeId} ${was}`);
      gateways.set(id, was);
    }
  }
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    for (const [id, place] of wanted) {
      const endpoint = edit.endpoint(id);
      if (endpoint === undefined || !kept.has(place)) continue;
      wanted.delete(id);
      gateways.delete(id);
      keep(endpoint);
    }
  }
  return gateways;
}

function nameIn({ networks }: Snapshot, networkId: Id): string | undefined {
  return networks.get(networkId)?.name;
}

/** What has that name after the edit. */
function named<T>(edit: Edit, kind: NounKind, name: string, find: (id: Id) => T | undefined): T | undefined {
  const id = edit.idOf(kind, name);
  return id === undefined ? undefined : find(id);
}

type Holder = Pick<Retired['holder'], 'kind' | 'name'>;

interface Held<Key> {
  holderOf(key: Key): Holder | undefined;
  readonly retired: { at(key: Key): Retired | undefined } | null;
}

/** Nobody else has the value, or may still be sent what is meant for it. */
function isFree<Key>(book: Held<Key>, key: Key, own: Holder): boolean {
  const holder = book.holderOf(key) ?? book.retired?.at(key)?.holder;
  return holder === undefined || (holder.kind === own.kind && holder.name === own.name);
}
