import { defaultClusterSettings, type Endpoint, type Id, type Network, type Node, type Snapshot } from '@portolan/model';

const stored = (name: string) => ({ id: name.padEnd(25, '0'), name, version: 1, labels: {} });

const node = (name: string, address: string): Node => ({
  ...stored(name),
  role: 'worker',
  availability: 'active',
  address,
  loadBalancers: [],
  underlayMtu: null,
  underlayLink: null,
  onLink: [],
  condition: 'up',
});

const lan: Network = {
  ...stored('lan'),
  ingress: false,
  vni: 4096,
  subnet: '10.0.0.0/24',
  gateway: '10.0.0.1',
  extraSubnets: [],
  mtu: null,
  internal: false,
  attachable: true,
  dsr: false,
  ipvsTimeouts: null,
};

const endpoint = (name: string): Endpoint => ({
  ...stored(name),
  serviceId: null,
  nodeId: node1.id,
  attachment: { netns: `/run/netns/${name}` },
  weight: 1,
  addresses: [],
  aliases: [],
  gatewayAddress: null,
  presence: 'present',
  health: 'unknown',
  drain: null,
  flannel: null,
});

function byId<T extends { readonly id: Id }>(...nouns: readonly T[]): ReadonlyMap<Id, T> {
  return new Map(nouns.map((noun) => [noun.id, noun]));
}

const node1 = node('node1', '192.0.2.1');

/** Three nodes, a network and three endpoints; not sound, which nobody here asks for. */
export const sample: Snapshot = {
  cluster: { id: 'c'.repeat(25), name: 'sample', settings: defaultClusterSettings, revision: 1 },
  nodes: byId(node1, node('node2', '192.0.2.2'), node('node3', '192.0.2.3')),
  networks: byId(lan),
  services: new Map(),
  endpoints: byId(endpoint('box1'), endpoint('box2'), endpoint('box3')),
  retired: [],
  flannel: null,
  flannelLeases: new Map(),
};
