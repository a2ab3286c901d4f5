import type { Id, Mac } from '@portolan/model';
import { hashText } from '@portolan/node-state';

/**
 * MAC of a node's VTEP while its lease names none: unicast, locally administered, and the same each time, so a device or a lease that was
 * lost comes back with the MAC that the peers know. flanneld takes a random one of this form.
 */
export function vtepMacOf(nodeId: Id, vni: number): Mac {
  const octets = hashText(`flannel/${nodeId}/${vni}`).match(/../g) ?? [];
  const first = (Number.parseInt(octets[0] ?? '0', 16) & 0xfe) | 0x02;
  return [first.toString(16).padStart(2, '0'), ...octets.slice(1, 6)].join(':');
}
