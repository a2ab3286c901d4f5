import type { Ipv4 } from '@portolan/model';
import type { Step } from '@portolan/plan';
import { restOfKey } from './tag.js';

/**
 * Arguments of `conntrack` that make the host forget UDP flows which a changed port forward has left on their old way: as
 * long as a client sends, the kernel keeps to what it once decided. `address` is the host's own on the underlay.
 */
export function flowsToForward(step: Step, address: Ipv4): readonly string[] {
  const { space, key } = step.action === 'delete' ? step.observed : step.object;
  if (!key.startsWith('port-forward/')) return [];
  const [protocol, port] = restOfKey(space, key).split('/');
  if (protocol !== 'udp') return [];
  return [
    // Those that went where the rule led that goes; what it was is not known any more.
    ...(step.action === 'create' ? [] : [`-D -p udp --orig-port-dst ${port} --dst-nat`]),
    // Those from before the port was published, which ended at the host itself.
    ...(step.action === 'delete' ? [] : [`-D -p udp --orig-dst ${address} --orig-port-dst ${port}`]),
  ];
}
