import { type Endpoint, type Id, type Ipv4, isHostAddress, type NounKind, parseCidr, parseIpv4, type ServiceNetwork, type Snapshot } from '@portolan/model';
import type { Edit } from './edit.js';
import { nounsOf } from './find.js';
import type { Nouns } from './types.js';

/** An earlier snapshot that an edit goes back to, by names. It has no ledger: that of the newest snapshot may share its maps. */
export class Former {
  readonly snapshot: Snapshot;
  readonly #named: { [K in NounKind]?: ReadonlyMap<string, Nouns[K]> } = {};

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
  }

  named<K extends NounKind>(kind: K, name: string): Nouns[K] | undefined {
    const known: ReadonlyMap<string, Nouns[K]> | undefined = this.#named[kind];
    const named = known ?? new Map([...nounsOf(this.snapshot, kind).values()].map((noun) => [noun.name, noun]));
    if (known === undefined) Object.assign(this.#named, { [kind]: named });
    return named.get(name);
  }
}

/**
 * The id that an object had which an edit that goes back makes anew: what hosts hold of it, or held, has the id in its name. A node
 * never gets its id again: a host that comes back with it would refuse the generations of a new node, which begin at 1.
 */
export function formerId({ former, base }: Edit, kind: NounKind, name: string): Id | undefined {
  if (former === null || kind === 'node') return undefined;
  const was = former.named(kind, name);
  return was === undefined || nounsOf(base, kind).has(was.id) ? undefined : was.id;
}

/** Whether an edit that goes back finds the endpoint in another service or on another node: it was deleted and created again meanwhile. */
export function isElsewhere({ former, base }: Edit, kind: NounKind, id: Id): boolean {
  const endpoint = former === null || kind !== 'endpoint' ? undefined : base.endpoints.get(id);
  if (former === null || endpoint === undefined) return false;
  const was = former.named('endpoint', endpoint.name);
  return was !== undefined && placeOf(former.snapshot, was) !== placeOf(base, endpoint);
}

function placeOf({ nodes, services }: Snapshot, { nodeId, serviceId }: Endpoint): string {
  // No name has a slash.
  return `${nodes.get(nodeId)?.name}/${serviceId === null ? '' : services.get(serviceId)?.name}`;
}

/** Whether an edit that goes back leaves the endpoint with an address that its network had not yet, or no longer. */
export function isOutside(edit: Edit, { addresses }: Endpoint): boolean {
  return edit.former !== null && addresses.some(({ networkId, address }) => !isWithin(edit, networkId, address, 'any'));
}

/** Whether an address is one of its network as the edit makes it, of the first of its subnets or of any; true where the edit says nothing of the network. */
function isWithin(edit: Edit, networkId: Id, address: Ipv4, which: 'first' | 'any'): boolean {
  const network = edit.networks.get(networkId);
  if (network === undefined || network === null) return true;
  const subnets = [network.subnet, ...(which === 'first' ? [] : network.extraSubnets.map(({ subnet }) => subnet))];
  const value = parseIpv4(address);
  return subnets.some((cidr) => cidr !== null && isHostAddress(parseCidr(cidr), value));
}

/** Takes from drafts what they keep for want of a pin, and what is outside a subnet that went back: another address is allocated. */
export function voidOutside(edit: Edit): void {
  for (const [id, service] of edit.services) {
    const isVoid = ({ networkId, address }: ServiceNetwork): boolean => address !== null && !isWithin(edit, networkId, address, 'first');
    if (service?.networks.some(isVoid) !== true) continue;
    edit.services.set(id, { ...service, networks: service.networks.map((own) => (isVoid(own) ? { ...own, address: null } : own)) });
  }
  for (const [id, endpoint] of edit.endpoints) {
    if (endpoint === null) continue;
    const addresses = endpoint.addresses.map((own) =>
      own.address === null || isWithin(edit, own.networkId, own.address, 'any') ? own : { networkId: own.networkId, address: null },
    );
    if (addresses.some((own, i) => own !== endpoint.addresses[i])) edit.endpoints.set(id, { ...endpoint, addresses });
  }
}
