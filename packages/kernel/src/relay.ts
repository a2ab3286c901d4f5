import type { ObservedObject } from '@portolan/node-state';
import { setLines, type TunScan } from '@portolan/render';
import type { UdpRelay } from './ports.js';
import { afterLines } from './set-lines.js';

/** Keeps what it is told and carries nothing: for a kernel that no relay belongs to. */
export function memoryOfRelay(): UdpRelay {
  let objects = new Map<string, ObservedObject>();
  return {
    change: async (text) => {
      const next = afterLines(objects, setLines(text, ['udp-relay', 'udp-relay-peer'], 'relay'));
      // Peers go with their relay.
      const isCarried = ({ body }: ObservedObject): boolean => body?.kind !== 'udp-relay-peer' || next.has(`udp-relay/host/${body.relay}`);
      objects = new Map([...next].filter(([, object]) => isCarried(object)));
    },
    observed: async () => [...objects.values()],
  };
}

/**
 * What the relay says, beside what the kernel knows of its TUN devices: a relay whose device is gone is none, one whose device was taken
 * down or got another MTU is damaged. Of a relay that is not `wanted` the devices were not looked for.
 */
export function besideTuns(objects: readonly ObservedObject[], tuns: readonly TunScan[], wanted: ReadonlySet<string>): readonly ObservedObject[] {
  return objects.flatMap((object) => {
    const { body } = object;
    if (body?.kind !== 'udp-relay' || !wanted.has(object.key)) return [object];
    const tun = tuns.find(({ name }) => name === body.name);
    if (tun === undefined) return [];
    return [tun.up && tun.mtu === body.mtu ? object : { ...object, hash: '' }];
  });
}
