import { type ClusterSettings, type ErrorCode, errorCatalogue, type Id, type NounKind } from '@portolan/model';

/** Things that work but that a person should know; each with what to do about it. */
export const warningCatalogue = {
  'mtu-above-underlay': 'Lower the MTU of the network to the MTU between the hosts minus 50, or leave it out and let Portolan compute it.',
  'underlay-below-setting': 'Raise the MTU of the interface of the node, or lower the setting underlayMtu to it.',
  'timeout-below-keepalive': 'Raise ipvsTimeouts.tcp above the keep-alive, or set tcpKeepalive below the timeout.',
  'host-inside-overlay': 'Choose a subnet that holds no address of a host: endpoints of the network cannot reach that host.',
  'service-without-network': 'Name a network or publish a port, or nothing can reach the service.',
  'flannel-entry-unreadable': 'Remove the entry from etcd, or let the node that wrote it write it again; it keeps its subnet from being given.',
  'flannel-peer-off-link': 'Choose the backend vxlan with "directRouting": true: it sends to peers on the link by a route, and to the others by VXLAN.',
  'flannel-backend-not-held':
    'Let the foreign nodes run the backend of the cluster (restart flanneld: it reads the configuration at its start), or choose theirs.',
  'flannel-leases-overlap': 'Remove the entry of the node that should not have the subnet; it gets another one.',
  'flannel-mac-shared': 'Let one of the nodes make its device anew, so that it gets another MAC.',
  'flannel-mac-missing': 'Restart flanneld on the node that is named: it writes its entry again.',
  'flannel-lease-outside': 'Restart flanneld on the nodes that are named: it takes a subnet of the network, or remove the entries when the nodes are gone.',
  'flannel-reservation-held': 'Reserve another subnet, or remove the entry of the holder, which then gets another subnet.',
  'flannel-network-full': 'Choose a larger network or longer subnets, widen subnetMin to subnetMax, or remove entries of nodes that are gone.',
  'flannel-ipv6-not-carried': 'Leave out EnableIPv6, or run flanneld on the nodes that need IPv6.',
  'flannel-switch-waits': 'Restart flanneld on the foreign nodes that are named: it reads the configuration at its start. Both backends are held until then.',
  'flannel-pod-outside': 'Leave out the address, or choose one in the subnet of the node, neither of its first two nor its last.',
  'flannel-pod-without-address': 'Delete endpoints of the node, or choose shorter subnets (subnetLen); with "cni": false all of a subnet is for endpoints.',
  'flannel-pod-in-cni-range':
    'Choose an address in the upper half of the subnet of the node, or set "cni": false: CNI may give the address to another container.',
  'host-inside-flannel': 'Choose a network that holds no address of a host: containers cannot reach that host.',
} as const satisfies Record<string, string>;
export type WarningCode = keyof typeof warningCatalogue;

interface Found {
  readonly subject: Subject;
  /** Property of the object that is at fault, '' for the whole of it. */
  readonly field: string;
  /** The setting of the cluster that the object does not agree with, where there is one. */
  readonly setting?: keyof ClusterSettings;
  /** The object that it does not agree with, where there is one that can be changed instead. */
  readonly against?: { readonly subject: Subject; readonly field: string };
  readonly message: string;
  readonly fix: string;
}

/** What a rule found. `block` refuses the change before anything is sent to a node; `warn` is shown. */
export type Finding = Found & ({ readonly severity: 'block'; readonly code: ErrorCode } | { readonly severity: 'warn'; readonly code: WarningCode });

export interface Subject {
  /** Of the flannel network: id is the cluster's, name the network itself. */
  readonly kind: 'cluster' | NounKind | 'flannel';
  readonly id: Id;
  readonly name: string;
}

export function subjectOf(kind: Subject['kind'], { id, name }: { readonly id: Id; readonly name: string }): Subject {
  return { kind, id, name };
}

export function block(code: ErrorCode, subject: Subject, field: string, message: string): Finding {
  return { severity: 'block', code, subject, field, message, fix: errorCatalogue[code].fix };
}

export function warn(code: WarningCode, subject: Subject, field: string, message: string): Finding {
  return { severity: 'warn', code, subject, field, message, fix: warningCatalogue[code] };
}
