import { type Cidr, type Id, type Ipv4, parseCidr, type ServiceNetwork } from '@portolan/model';
import type { EndpointDraft, NetworkDraft, ServiceDraft } from './drafts.js';

/** The service without VIPs and marks that its mode and its ports do not want: these are given up. */
export function alignedService(service: ServiceDraft, isIngress: (networkId: Id) => boolean): ServiceDraft {
  const vip = service.endpointMode === 'vip';
  const surplus = (network: ServiceNetwork): boolean =>
    (!vip && (network.address !== null || network.mark !== null)) || (network.localMark !== null && !wantsLocalMark(service, isIngress(network.networkId)));
  if (!service.networks.some(surplus)) return service;
  const networks = service.networks.map((network) => ({
    ...network,
    address: vip ? network.address : null,
    mark: vip ? network.mark : null,
    localMark: wantsLocalMark(service, isIngress(network.networkId)) ? network.localMark : null,
  }));
  return { ...service, networks };
}

/** Whether the service needs a second mark on a network: for ports that a node forwards to its own endpoints only. */
export function wantsLocalMark(service: ServiceDraft, ingress: boolean): boolean {
  return ingress && service.endpointMode === 'vip' && service.ports.some((port) => port.mode === 'ingress' && port.externalTrafficPolicy === 'local');
}

/** The endpoint without addresses that its networks do not want. `moved`: its gateway address is of no use where it is now. */
export function alignedEndpoint(
  endpoint: EndpointDraft,
  networks: readonly { readonly networkId: Id }[],
  networkOf: (id: Id) => NetworkDraft | undefined,
  moved: (gatewayAddress: Ipv4) => boolean,
): EndpointDraft {
  const wanted = (networkId: Id): boolean => endpoint.serviceId === null || networks.some((network) => network.networkId === networkId);
  const addresses = endpoint.addresses.every((own) => wanted(own.networkId)) ? endpoint.addresses : endpoint.addresses.filter((own) => wanted(own.networkId));
  const { gatewayAddress } = endpoint;
  const keeps = gatewayAddress === null || (wantsGatewayAddress(networks, networkOf) && !moved(gatewayAddress));
  return addresses === endpoint.addresses && keeps ? endpoint : { ...endpoint, addresses, gatewayAddress: keeps ? gatewayAddress : null };
}

/** Whether endpoints in the networks reach out of the cluster: one of them is neither internal nor the ingress network. */
export function wantsGatewayAddress(networks: readonly { readonly networkId: Id }[], networkOf: (id: Id) => NetworkDraft | undefined): boolean {
  return networks.some(({ networkId }) => {
    const network = networkOf(networkId);
    return network !== undefined && !network.internal && !network.ingress;
  });
}

/** First and last address of the gateway subnet for endpoints: the bridge has the first of all, the ingress sandbox the second. */
export function endpointGatewayRange(gatewaySubnet: Cidr): readonly [first: number, last: number] {
  const { first, last } = parseCidr(gatewaySubnet);
  return [first + 3, last - 1];
}
