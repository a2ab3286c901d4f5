import { applyManifest } from '@portolan/intent';
import type { EndpointSpec, Manifest, Snapshot } from '@portolan/model';
import { emptySnapshot } from './empty.js';
import { seededIds } from './ids.js';
import { seenWhole } from './seen.js';

const backend = 'bjdt_bjdt-dzwl';
const front = 'bjdt_bjdt-dzwl-web';

function endpoint(service: string, slot: number, node: string): EndpointSpec {
  const name = `${service}.${slot}`;
  return { name, service, node, attachment: { netns: `/run/netns/${name}` } };
}

/** The study's stack, the same as examples/bjdt.yaml. */
export const bjdtManifest: Manifest = {
  nodes: [
    { name: 'node1', role: 'manager', address: '172.16.130.140' },
    { name: 'node2', role: 'worker', address: '172.16.130.164' },
    { name: 'node3', role: 'worker', address: '172.16.130.170' },
  ],
  networks: [
    { name: 'ingress', id: 't17rqrj45unnb42hefovj68mh', ingress: true, vni: 4096, subnet: '10.255.0.0/16' },
    { name: 'bjdt_overlay', id: '5mckih8b5zq55feis4xheef5z', vni: 4097, subnet: '10.0.0.0/24', gateway: '10.0.0.1' },
  ],
  services: [
    {
      name: backend,
      scheduler: 'rr',
      networks: [
        { network: 'bjdt_overlay', vip: '10.0.0.20', mark: 0x149 },
        { network: 'ingress', vip: '10.255.0.41' },
      ],
      ports: [{ published: 8080, target: 8080 }],
    },
    { name: front, networks: [{ network: 'bjdt_overlay' }], ports: [{ published: 8000, target: 80 }] },
  ],
  endpoints: [
    endpoint(backend, 1, 'node1'),
    endpoint(backend, 2, 'node2'),
    endpoint(backend, 3, 'node3'),
    endpoint(front, 1, 'node1'),
    endpoint(front, 2, 'node2'),
  ],
};

/** The study's stack as a snapshot at revision 1, with every node up and every endpoint there; ids and allocations are the same in every run. */
export function sampleSnapshot(): Snapshot {
  const snapshot = seenWhole(applyManifest(emptySnapshot('lab'), bjdtManifest, seededIds(1), { now: 0 }));
  return { ...snapshot, cluster: { ...snapshot.cluster, revision: 1 } };
}
