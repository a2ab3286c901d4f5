import { type ErrorCode, parseCidr, portolanError, type Snapshot, subnetsOf, subnetsOverlap } from '@portolan/model';

/** Refuses a value that is held twice. */
function refuseTwice(code: ErrorCode, what: string): (value: string | number) => void {
  const seen = new Set<string | number>();
  return (value) => {
    if (seen.has(value)) throw portolanError(code, '', `${what} ${value} is held twice`);
    seen.add(value);
  };
}

/** Refuses what the constraints of the database refuse, with the same codes. */
export function refuseConflicts({ nodes, networks, services, endpoints }: Snapshot): void {
  const address = refuseTwice('address-taken', 'the address');
  const inNetwork = (own: { readonly networkId: string; readonly address: string }): void => {
    if (!networks.has(own.networkId)) throw portolanError('in-use', '', `the address ${own.address} is in a network that is not there`);
    address(`${own.address} in ${own.networkId}`);
  };
  for (const [kind, nouns] of Object.entries({ node: nodes, network: networks, service: services, endpoint: endpoints })) {
    const name = refuseTwice('duplicate-name', `the name of the ${kind}`);
    for (const noun of nouns.values()) name(noun.name);
  }

  const host = refuseTwice('address-taken', 'the address');
  for (const node of nodes.values()) {
    host(node.address);
    node.loadBalancers.forEach(inNetwork);
  }
  const vni = refuseTwice('vni-taken', 'the VNI');
  const ingress = refuseTwice('ingress-exists', 'the place of the ingress network, ');
  const subnets = [...networks.values()].flatMap((network) => subnetsOf(network).map(({ subnet }) => parseCidr(subnet))).sort((a, b) => a.first - b.first);
  subnets.forEach((subnet, i) => {
    const next = subnets[i + 1];
    if (next !== undefined && subnetsOverlap(subnet, next)) throw portolanError('subnet-overlap', '', 'two subnets of the cluster overlap');
  });
  for (const network of networks.values()) {
    if (network.ingress) ingress('of the cluster');
    for (const subnet of subnetsOf(network)) {
      vni(subnet.vni);
      inNetwork({ networkId: network.id, address: subnet.gateway });
    }
  }
  const mark = refuseTwice('mark-taken', 'the mark');
  const port = refuseTwice('port-taken', 'the published port');
  for (const service of services.values()) {
    for (const { networkId, address: vip, ...marks } of service.networks) {
      if (vip !== null) inNetwork({ networkId, address: vip });
      for (const value of [marks.mark, marks.localMark]) if (value !== null) mark(value);
    }
    for (const { protocol, published, mode } of service.ports) if (mode === 'ingress') port(`${published}/${protocol}`);
  }
  for (const endpoint of endpoints.values()) {
    if ((endpoint.serviceId !== null && !services.has(endpoint.serviceId)) || !nodes.has(endpoint.nodeId)) {
      throw portolanError('unknown-reference', '', `the endpoint ${endpoint.name} is of a service or on a node that is not there`);
    }
    endpoint.addresses.forEach(inNetwork);
    if (endpoint.flannel !== null && endpoint.flannel.address !== null) address(`${endpoint.flannel.address} in the flannel network`);
    if (endpoint.gatewayAddress !== null) address(`${endpoint.gatewayAddress} on ${endpoint.nodeId}`);
  }
}
