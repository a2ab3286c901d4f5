import { closeSync } from 'node:fs';
import type { IpvsTimeouts } from '@portolan/model';
import { AF_INET, callFailure, IPPROTO_RAW, libc, SOCK_CLOEXEC, SOCK_RAW, SOL_IP } from './libc.js';

/** IP_VS_SO_GET_TIMEOUT of linux/ip_vs.h. */
const GET_TIMEOUT = 64 + 1024 + 64 + 6;

/** struct ip_vs_timeout_user: three ints, of TCP, of TCP after FIN, and of UDP. */
const SIZE = 12;

/** IPVS's timeouts in this thread's namespace, in seconds. Fails with `apply-failed`. */
export function ipvsTimeouts(): IpvsTimeouts {
  const fd = libc.socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) throw callFailure('socket', 'ip_vs');
  try {
    const seconds = new Int32Array(SIZE / 4);
    if (libc.getsockopt(fd, SOL_IP, GET_TIMEOUT, new Uint8Array(seconds.buffer), new Uint8Array(new Int32Array([SIZE]).buffer)) !== 0) {
      throw callFailure('getsockopt', 'ip_vs');
    }
    const [tcp = 0, tcpFin = 0, udp = 0] = seconds;
    return { tcp, tcpFin, udp };
  } finally {
    closeSync(fd);
  }
}
