import { type ClusterSettings, type ErrorCode, errorCatalogue, type Id, type NounKind } from '@portolan/model';

/** Things that work but that a person should know; each with what to do about it. */
export const warningCatalogue = {
  'mtu-above-underlay': 'Lower the MTU of the network to the MTU between the hosts minus 50, or leave it out and let Portolan compute it.',
  'underlay-below-setting': 'Raise the MTU of the interface of the node, or lower the setting underlayMtu to it.',
  'timeout-below-keepalive': 'Raise ipvsTimeouts.tcp above the keep-alive, or set tcpKeepalive below the timeout.',
  'host-inside-overlay': 'Choose a subnet that holds no address of a host: endpoints of the network cannot reach that host.',
  'service-without-network': 'Name a network or publish a port, or nothing can reach the service.',
} as const satisfies Record<string, string>;
export type WarningCode = keyof typeof warningCatalogue;

interface Found {
  readonly subject: Subject;
  /** Property of the object that is at fault, '' for the whole of it. */
  readonly field: string;
  /** The setting of the cluster that the object does not agree with, where there is one. */
  readonly setting?: keyof ClusterSettings;
  readonly message: string;
  readonly fix: string;
}

/** What a rule found. `block` refuses the change before anything is sent to a node; `warn` is shown. */
export type Finding = Found & ({ readonly severity: 'block'; readonly code: ErrorCode } | { readonly severity: 'warn'; readonly code: WarningCode });

export interface Subject {
  readonly kind: 'cluster' | NounKind;
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
