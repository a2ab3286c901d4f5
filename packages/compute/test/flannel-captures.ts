import { readFileSync } from 'node:fs';
import { readLease } from '@portolan/flannel';
import type { FlannelLease, Snapshot } from '@portolan/model';
import { idOf, snapshotOf } from './snapshots.js';

/** Where flanneld v0.28.9 was run for a while: what it left on node n1, which is 192.168.77.11. */
export type Captured = 'vxlan' | 'host-gw' | 'udp';

export function captured(backend: Captured, file: string): string {
  return readFileSync(new URL(`./fixtures/flannel/${backend}/${file}`, import.meta.url), 'utf8');
}

/** Lines of a file that are of flannel, without the protocol number, which is ours with us, and without trailing blanks. */
export function capturedLines(backend: Captured, file: string, isOfFlannel: (line: string) => boolean): string[] {
  return captured(backend, file)
    .split('\n')
    .filter(isOfFlannel)
    .map((line) => line.replace(' proto boot', '').trim());
}

/** The device that flanneld made, as `ip -d -j link` shows it; host-gw has none. */
export interface CapturedLink {
  readonly ifname: string;
  readonly mtu: number;
  readonly address?: string;
  readonly linkinfo?: {
    readonly info_data?: { readonly id?: number; readonly local?: string; readonly link?: string; readonly port?: number; readonly learning?: boolean };
  };
}

export function capturedLinks(backend: Captured): readonly CapturedLink[] {
  return JSON.parse(captured(backend, 'links.json'));
}

/** The entries of the registry, as their bytes are read; that of n1 is of a node of ours. */
export function capturedLeases(backend: Captured): readonly FlannelLease[] {
  const entries = captured(backend, 'registry.txt').matchAll(/subnets\/(.*)\n(.*)\n/g);
  return [...entries].map(([, key = '', value = '']) => {
    const lease = readLease({ key, value, modRevision: '7', leaseId: '1' });
    return lease.publicAddress === '192.168.77.11' ? { ...lease, nodeId: idOf('n1') } : lease;
  });
}

/** The cluster of a capture, with n1 a node of ours and the others foreign. */
export function capturedSnapshot(backend: Captured): Snapshot {
  return snapshotOf({
    nodes: [{ name: 'n1', address: '192.168.77.11', underlayLink: 'eth0', underlayMtu: 1500, onLink: ['192.168.77.0/24'], on: {} }],
    networks: [],
    services: [],
    endpoints: [],
    flannel: { network: '10.5.0.0/16', backend: { type: backend } },
    leases: capturedLeases(backend),
  });
}
