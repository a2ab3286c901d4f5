import type { ObservedObject } from '@portolan/node-state';
import type { Sheet } from './sheet.js';
import { ROUTE_PROTOCOL, restOfKey } from './tag.js';

/** Adds what removes an object. Links and addresses go in the slot that is given: before anything is made, or at the end. */
export function removeObject(observed: ObservedObject, sheet: Sheet, slot: 'remove-first' | 'remove'): void {
  const { kind, key, space, body } = observed;
  const rest = restOfKey(space, key);
  switch (kind) {
    case 'namespace':
      return sheet.add('remove-namespaces', 'host', key, `delete ${space.slice('own:'.length)}`);
    case 'bridge':
    case 'vxlan':
    case 'veth':
      return sheet.add(slot, space, key, `link delete dev ${body !== undefined && 'name' in body ? body.name : rest}`);
    case 'address': {
      const [link = '', address = ''] = rest.split('/');
      return sheet.add(slot, space, key, `address delete ${address}/${body?.kind === 'address' ? body.prefixLength : 32} dev ${link}`);
    }
    case 'route':
      return sheet.add('remove', space, key, `route delete ${rest} proto ${ROUTE_PROTOCOL}`);
    case 'neighbour': {
      const [link = '', address = ''] = rest.split('/');
      return sheet.add('remove', space, key, `neighbour delete ${address} dev ${link}`);
    }
    case 'fdb': {
      const [link = '', mac = ''] = rest.split('/');
      sheet.add('remove-peers', space, key, `fdb delete ${mac} dev ${link} self`);
      // What the bridge has learnt behind the VTEP would hold frames to the MAC there until it ages, were the address used here next.
      return sheet.addOnce('remove', space, key, `link set dev ${link} type bridge_slave fdb_flush`);
    }
    case 'virtual-server':
      return sheet.add('servers', space, key, `-D -f ${rest}`);
    case 'real-server': {
      const [mark = '', address = ''] = rest.split('/');
      return sheet.add('servers', space, key, `-d -f ${mark} -r ${address}:0`);
    }
    default:
      return;
  }
}
