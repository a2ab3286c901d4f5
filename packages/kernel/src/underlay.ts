import { closeSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Ipv4 } from '@portolan/model';
import { AF_INET, libc, SIOCGIFMTU, SOCK_CLOEXEC, SOCK_DGRAM } from './libc.js';

/** struct ifreq of netdevice(7): the name, and behind it the answer. */
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

/** MTU, in bytes, of the interface of this thread's namespace that has the address; undefined where none has it. */
export function underlayMtu(address: Ipv4): number | undefined {
  const found = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some((own) => own.address === address) === true);
  if (found === undefined) return undefined;
  // By a system call, because /sys shows the interfaces of the namespace that it was mounted in.
  const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  try {
    const request = Buffer.alloc(IFREQ_SIZE);
    // An address with a label is listed by it: eth0:1 is on eth0.
    request.write(found[0].split(':', 1)[0] ?? '', 'latin1');
    return libc.ioctl(fd, SIOCGIFMTU, request) === 0 ? new DataView(request.buffer, request.byteOffset).getInt32(IFNAMSIZ, true) : undefined;
  } finally {
    closeSync(fd);
  }
}
