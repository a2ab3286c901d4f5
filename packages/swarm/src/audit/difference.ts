import type { DumpedRule, DumpSection } from '@portolan/dump';
import { dumpSections } from '@portolan/dump';
import type { Ipv4 } from '@portolan/model';
import type { ExpectedNamespace } from '../expected.js';
import type { Finding } from '../finding.js';
import type { NamespaceObject } from '../object.js';

/** An object that should be there, in the names and marks that are in use there, and its key in the expected state. */
export interface Wanted<O extends NamespaceObject = NamespaceObject> {
  readonly key: string;
  readonly object: O;
}

export type Of<K extends NamespaceObject['kind']> = Extract<NamespaceObject, { kind: K }>;

/**
 * What of an object differs. `copy`: it is there once more; `order`: a rule before it takes its packets; `table`: nothing is left of the rules of a
 * table; `object`: the whole of it.
 */
export type Aspect =
  | 'object'
  | 'copy'
  | 'order'
  | 'table'
  | 'up'
  | 'mtu'
  | 'mac'
  | 'vni'
  | 'port'
  | 'proxy'
  | 'weight'
  | 'forwarding'
  | 'scheduler'
  | 'persistence';

/** One place where a namespace is not as Docker makes it. */
export interface Difference {
  readonly kind: Finding['kind'];
  readonly aspect: Aspect;
  /** Of the expected state, for its origins; null of what is not expected. */
  readonly key: string | null;
  readonly expected: NamespaceObject | null;
  readonly found: NamespaceObject | null;
  /** Of a rule: where in its chain it belongs, from 1; null: at its end. */
  readonly position?: number | null;
  /** What goes with it and has to be made anew with it: a virtual server's real servers, a chain's rules, a tunnel's peers. */
  readonly implied?: readonly NamespaceObject[];
  /** Of the port of a bridge: in which namespace its other end was. */
  readonly owner?: ExpectedNamespace;
  /** Of aspect `order`: the rule that takes the packets. */
  readonly before?: DumpedRule;
}

/** How much of a namespace can be judged, and what of its node has to be known for it. */
export interface Sight {
  /** Sections of the dump that were read whole. */
  readonly sections: ReadonlySet<DumpSection>;
  /** Docker 20.10 made the rules. Others lay the host's filter chains out otherwise: of the host only what leads into the ingress sandbox is judged. */
  readonly rulesKnown: boolean;
  /** Under firewalld Docker 20.10 does not find its SNAT rule again and adds it for each service (§4.4). */
  readonly firewalld: boolean;
  /** In bytes, of docker_gwbridge and what is attached to it, where somebody made the bridge with another MTU than Docker's; null: Docker's. */
  readonly gatewayMtu: number | null;
  /** Addresses on docker_gwbridge that are somebody's; null: not known. */
  readonly gatewayAddresses: ReadonlySet<Ipv4> | null;
}

export const fullSight: Sight = {
  sections: new Set(dumpSections),
  rulesKnown: true,
  firewalld: false,
  gatewayMtu: null,
  gatewayAddresses: null,
};
