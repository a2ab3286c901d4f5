import { portolanError } from '@portolan/model';

/** The parts that we read of one entry of `ip -j -d addr show`. Fields that a version does not print are missing. */
export interface LinkEntry {
  readonly ifindex: number;
  readonly link_index?: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master?: string;
  readonly address?: string;
  readonly ifalias?: string;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: {
      readonly id?: number;
      readonly port?: number;
      readonly local?: string;
      /** Name of the interface that a VTEP sends by. */
      readonly link?: string;
      readonly gbp?: boolean;
      readonly remote?: string;
      readonly group?: string;
      readonly external?: boolean;
      readonly rsc?: boolean;
      readonly learning?: boolean;
      readonly proxy?: boolean;
      readonly l2miss?: boolean;
      readonly l3miss?: boolean;
      readonly vlan_default_pvid?: number;
    };
    /** Of a port of a bridge. */
    readonly info_slave_data?: { readonly isolated?: boolean };
  };
  readonly addr_info?: readonly {
    readonly family?: string;
    readonly local?: string;
    readonly prefixlen?: number;
    readonly scope?: string;
    readonly label?: string;
  }[];
}

export interface RouteEntry {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  /** Missing where the output was asked for by protocol. */
  readonly protocol?: string;
  readonly metric?: number;
  /** Name or number; missing where the output is of the main table alone. */
  readonly table?: string;
  readonly scope?: string;
  readonly flags?: readonly string[];
  /** Of a route that has more to it than ours: a source, other types of service, metrics, several gateways. */
  readonly prefsrc?: string;
  readonly tos?: string;
  readonly metrics?: unknown;
  readonly nexthops?: unknown;
}

/** One entry of `ip -j rule show`. Selectors beyond `src` make it another rule than ours are. */
export interface RuleEntry {
  readonly priority: number;
  readonly src: string;
  readonly srclen?: number;
  readonly table?: string;
  readonly protocol?: string;
}

export interface NeighbourEntry {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

export interface FdbEntry {
  readonly mac: string;
  /** Missing where the output was asked for by link. */
  readonly ifname?: string;
  readonly dst?: string;
  /** Of an entry that leads elsewhere than the VTEP is set to. */
  readonly port?: number;
  readonly vni?: number;
  readonly via?: string;
  readonly flags?: readonly string[];
  readonly state?: string;
}

/** The entries that a tool of iproute2 printed with -j; it prints nothing, or empty objects, for what it left out. Throws `apply-failed`. */
export function parseEntries<T extends object>(tool: string, json: string): T[] {
  if (json.trim() === '') return [];
  try {
    const parsed: unknown = JSON.parse(json);
    if (Array.isArray(parsed)) return parsed.filter((entry): entry is T => typeof entry === 'object' && entry !== null && Object.keys(entry).length > 0);
  } catch (cause) {
    throw portolanError('apply-failed', '', `${tool} printed no JSON: ${json.slice(0, 200)}`, { cause });
  }
  throw portolanError('apply-failed', '', `${tool} printed no list: ${json.slice(0, 200)}`);
}
