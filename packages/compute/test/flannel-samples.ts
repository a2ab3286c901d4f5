import type { FlannelBackend, Snapshot } from '@portolan/model';
import type { NodeState, RouteBody } from '@portolan/node-state';
import { type ClusterSketch, leaseOf, snapshotOf } from './snapshots.js';
import { bodies, bodyOf } from './states.js';

/** The mission's example, with a third node in another subnet. */
export function mission(backend: FlannelBackend, more: Partial<ClusterSketch> = {}, lease: Parameters<typeof leaseOf>[2] = {}): Snapshot {
  const host = { underlayLink: 'eth0', underlayMtu: 1500, onLink: ['172.16.130.0/24'], on: {} };
  const of = (node: string, mac: string) => ({ backendType: backend.type, node, vtepMac: backend.type === 'vxlan' ? mac : null, ...lease });
  return snapshotOf({
    nodes: [
      { name: 'a', address: '172.16.130.140', ...host },
      { name: 'b', address: '172.16.130.164', ...host },
      { name: 'c', address: '172.16.131.5', ...host, onLink: ['172.16.131.0/24'] },
    ],
    networks: [],
    services: [],
    endpoints: [
      { name: 'pa', service: null, node: 'a', flannel: { address: '10.244.1.96', fixed: false }, on: {} },
      { name: 'pb', service: null, node: 'b', flannel: { address: '10.244.2.194', fixed: false }, on: {} },
    ],
    flannel: { network: '10.244.0.0/16', backend },
    leases: [
      leaseOf('10.244.1.0/24', '172.16.130.140', of('a', '02:00:00:00:00:01')),
      leaseOf('10.244.2.0/24', '172.16.130.164', of('b', '02:00:00:00:00:02')),
      leaseOf('10.244.3.0/24', '172.16.131.5', of('c', '02:00:00:00:00:03')),
    ],
    ...more,
  });
}

/** The content of a file on the host. */
export function fileOf(state: NodeState, path: string): string | undefined {
  const body = bodyOf(state, `file/host/${path}`);
  return body?.kind === 'file' ? body.content : undefined;
}

/** The routes of a namespace as `ip route` prints them, without their protocol. */
export function routesOf(state: NodeState, space = 'host'): string[] {
  return bodies(state, 'route', space).map(printed);
}

function printed({ destination, via, link, onlink, scope }: Omit<RouteBody, 'kind'>): string {
  const where = scope === 'global' || via !== undefined ? 'global' : 'link';
  return `unicast ${destination}${via === undefined ? '' : ` via ${via}`} dev ${link} scope ${where}${onlink === true ? ' onlink' : ''}`;
}
