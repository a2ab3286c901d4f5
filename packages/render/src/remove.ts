import type { ObjectKind, ObservedObject } from '@portolan/node-state';
import type { Sheet } from './sheet.js';
import { ROUTE_PROTOCOL, restOfKey } from './tag.js';

type ServersSlot = 'servers' | 'remove-servers' | 'servers-last';

interface Removal {
  readonly observed: ObservedObject;
  /** The key behind kind and space. */
  readonly rest: string;
  readonly sheet: Sheet;
  /** Where links and addresses go: before anything is made, or at the end. */
  readonly slot: 'remove-first' | 'remove';
  /** Where the virtual servers go: with those that are made, behind the rules of the namespace, or behind the names. */
  readonly servers: ServersSlot;
}

function removeLink({ observed: { space, key, body }, rest, sheet, slot }: Removal): void {
  sheet.add(slot, space, key, `link delete dev ${body !== undefined && 'name' in body ? body.name : rest}`);
}

const removers: Partial<Record<ObjectKind, (removal: Removal) => void>> = {
  namespace: ({ observed: { key, space }, sheet }) => sheet.add('remove-namespaces', 'host', key, `delete ${space.slice('own:'.length)}`),
  bridge: removeLink,
  vxlan: removeLink,
  'flannel-vtep': removeLink,
  'udp-relay': ({ observed: { key }, sheet, slot }) => sheet.add(slot === 'remove' ? 'remove-relay' : 'relay', 'host', key, `delete ${key}`),
  'udp-relay-peer': ({ observed: { key }, sheet }) => sheet.add('remove-relay-peers', 'host', key, `delete ${key}`),
  veth: removeLink,
  address: ({ observed: { space, key, body }, rest, sheet, slot }) => {
    const [link = '', address = ''] = rest.split('/');
    sheet.add(slot, space, key, `address delete ${address}/${body?.kind === 'address' ? body.prefixLength : 32} dev ${link}`);
  },
  // All to that destination, whatever their metric is; none may be there any more, when an address has taken them along.
  route: ({ observed: { space, key, body }, rest, sheet, slot }) => {
    const [destination = '', table = 'main'] = rest.split('@');
    if (space === 'host') {
      // There may be thousands, and each flush would read them all. Of several to one destination one goes at a time.
      const metric = body?.kind === 'route' && body.metric !== undefined ? ` metric ${body.metric}` : '';
      const routes = slot === 'remove' ? 'remove-routes' : 'routes-first';
      sheet.add(routes, space, key, `route delete ${destination} table ${table} proto ${ROUTE_PROTOCOL}${metric}`);
      return;
    }
    sheet.add(slot, space, key, `route flush exact ${destination} table ${table} proto ${ROUTE_PROTOCOL}`);
  },
  'route-rule': ({ observed: { space, key }, rest, sheet, slot }) => sheet.add(slot, space, key, `rule delete from ${rest} protocol ${ROUTE_PROTOCOL}`),
  neighbour: ({ observed: { space, key }, rest, sheet }) => {
    const [link = '', address = ''] = rest.split('/');
    sheet.add('remove', space, key, `neighbour delete ${address} dev ${link}`);
  },
  fdb: ({ observed: { space, key }, rest, sheet }) => {
    const [link = '', mac = ''] = rest.split('/');
    sheet.add('remove-peers', space, key, `fdb delete ${mac} dev ${link} self`);
    if (space === 'host') return;
    // What the bridge has learnt behind the VTEP would hold frames to the MAC there until it ages, were the address used here next.
    sheet.addOnce('remove', space, key, `link set dev ${link} type bridge_slave fdb_flush`);
  },
  'virtual-server': ({ observed: { space, key }, rest, sheet, servers }) => sheet.add(servers, space, key, `-D -f ${rest}`),
  'real-server': ({ observed: { space, key }, rest, sheet }) => {
    const [mark = '', address = ''] = rest.split('/');
    sheet.add('servers', space, key, `-d -f ${mark} -r ${address}:0`);
    // The kernel would send the datagrams of a client that goes on sending to it for minutes.
    sheet.addOnce('flows', space, key, `-D -p udp --reply-src ${address}`);
  },
  file: ({ observed: { key }, sheet }) => sheet.add('remove-files', 'host', key, `delete ${key}`),
  'dns-server': removeName,
  'dns-name': removeName,
  'dns-client': removeName,
};

function removeName({ observed: { key }, sheet }: Removal): void {
  sheet.add('names-first', 'host', key, `delete ${key}`);
}

/** Adds what removes an object. Sysctls stay as they are, and rules are written a namespace at a time. */
export function removeObject(observed: ObservedObject, sheet: Sheet, slot: 'remove-first' | 'remove', servers: ServersSlot = 'servers'): void {
  removers[observed.kind]?.({ observed, rest: restOfKey(observed.space, observed.key), sheet, slot, servers });
}
