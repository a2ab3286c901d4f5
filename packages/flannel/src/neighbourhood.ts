import { ipv4Value, type Node, type Subnet, subnetOrUndefined } from '@portolan/model';

/** Subnets that a node reaches by its interface on the underlay, without a gateway: others that it is connected to may be behind other interfaces. */
export function neighbourhoodOf({ address, onLink }: Pick<Node, 'address' | 'onLink'>): readonly Subnet[] {
  const own = ipv4Value(address) ?? Number.NaN;
  return onLink.map(subnetOrUndefined).filter((subnet): subnet is Subnet => subnet !== undefined && subnet.first <= own && own <= subnet.last);
}
