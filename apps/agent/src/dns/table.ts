import type { Ipv4 } from '@portolan/model';
import type { DnsClientBody, DnsNameBody, DnsServerBody } from '@portolan/node-state';
import type { DnsChange } from './changes.js';

/** Numbers of record types (RFC 1035, 8482). */
export const recordType = { A: 1, PTR: 12, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;

export interface Question {
  /** Without the dot at its end, in any case. */
  readonly name: string;
  /** Number of the record type. */
  readonly type: number;
}

/** What of a client decides its answers. */
export type Asker = Pick<DnsClientBody, 'networks' | 'service' | 'forwards'>;

export type Answer =
  | { readonly outcome: 'addresses'; readonly addresses: readonly Ipv4[] }
  /** Names without the dot at their end. */
  | { readonly outcome: 'pointers'; readonly names: readonly string[] }
  /** The name is there, with nothing of that type: NOERROR without an answer. */
  | { readonly outcome: 'empty' }
  | { readonly outcome: 'nxdomain' }
  | { readonly outcome: 'forward' };

/** Defaults until a `dns-server` is set. */
const defaultServer: Pick<DnsServerBody, 'ttl' | 'upstreams'> = { ttl: 5, upstreams: [] };

const REVERSE = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/;

function addressOf(reverseName: string): Ipv4 | undefined {
  const parts = REVERSE.exec(reverseName);
  return parts === null ? undefined : `${Number(parts[4])}.${Number(parts[3])}.${Number(parts[2])}.${Number(parts[1])}`;
}

function addressesFor({ addresses, own }: DnsNameBody, { service }: Asker): readonly Ipv4[] {
  return own !== undefined && own.service === service ? own.addresses : addresses;
}

/** The names of the cluster, as far as this node has been told of them. */
export class NameTable {
  #server = defaultServer;
  readonly #byNetwork = new Map<string, Map<string, DnsNameBody>>();
  readonly #byKey = new Map<string, DnsNameBody>();
  /** Names with `reverse`, by the addresses that lead back to them. */
  readonly #reverse = new Map<Ipv4, Set<DnsNameBody>>();

  /** TTL of the answers from here, in seconds. */
  get ttl(): number {
    return this.#server.ttl;
  }

  /** Servers that other names are asked of; empty: those of the host. */
  get upstreams(): readonly Ipv4[] {
    return this.#server.upstreams;
  }

  /** Takes in names and server; clients are none of its business. */
  change({ key, body }: Pick<DnsChange, 'key' | 'body'>): void {
    if (key.startsWith('dns-server/')) this.#server = body?.kind === 'dns-server' ? body : defaultServer;
    if (!key.startsWith('dns-name/')) return;
    const before = this.#byKey.get(key);
    if (before !== undefined) this.#remove(key, before);
    if (body?.kind === 'dns-name') this.#add(key, body);
  }

  #add(key: string, body: DnsNameBody): void {
    this.#byKey.set(key, body);
    const names = this.#byNetwork.get(body.network) ?? new Map<string, DnsNameBody>();
    this.#byNetwork.set(body.network, names.set(body.name.toLowerCase(), body));
    for (const address of reverseAddresses(body)) this.#reverse.set(address, (this.#reverse.get(address) ?? new Set()).add(body));
  }

  #remove(key: string, body: DnsNameBody): void {
    this.#byKey.delete(key);
    const names = this.#byNetwork.get(body.network);
    names?.delete(body.name.toLowerCase());
    if (names?.size === 0) this.#byNetwork.delete(body.network);
    for (const address of reverseAddresses(body)) {
      const bodies = this.#reverse.get(address);
      bodies?.delete(body);
      if (bodies?.size === 0) this.#reverse.delete(address);
    }
  }

  /**
   * Docker's rules. A name is looked for whole in all networks of the asker, in their order, then as `a.b` in a network `c`, then
   * as `a` in `b.c`; the first that has an address wins. A name that is nowhere else than where it has none is known all the same.
   */
  answerTo({ name, type }: Question, asker: Asker): Answer {
    const wanted = name.toLowerCase();
    const reverse = this.#answerToReverse(wanted, type, asker);
    if (reverse !== undefined) return reverse;
    const known = this.#namesFor(wanted, asker);
    if (known.length === 0) return unknown(wanted, asker);
    if (type !== recordType.A && type !== recordType.ANY) return { outcome: 'empty' };
    const addresses = known.map((body) => addressesFor(body, asker)).find((found) => found.length > 0);
    return addresses === undefined ? { outcome: 'empty' } : { outcome: 'addresses', addresses };
  }

  #namesFor(wanted: string, { networks }: Asker): readonly DnsNameBody[] {
    const known: DnsNameBody[] = [];
    const look = (name: string, network: string): void => {
      const body = this.#byNetwork.get(network)?.get(name);
      if (body !== undefined) known.push(body);
    };
    for (const network of networks) look(wanted, network);
    for (let dot = wanted.lastIndexOf('.'); dot > 0; dot = wanted.lastIndexOf('.', dot - 1)) {
      for (const network of networksNamed(wanted.slice(dot + 1), networks)) look(wanted.slice(0, dot), network);
    }
    return known;
  }

  #answerToReverse(wanted: string, type: number, asker: Asker): Answer | undefined {
    const address = addressOf(wanted);
    const bodies = address === undefined ? undefined : this.#reverse.get(address);
    if (address === undefined || bodies === undefined) return undefined;
    const names = asker.networks.flatMap((network) =>
      [...bodies]
        .filter((body) => body.network === network && addressesFor(body, asker).includes(address))
        .map(({ name }) => `${name}.${network}`)
        .sort(),
    );
    if (names.length === 0) return undefined;
    return type === recordType.PTR || type === recordType.ANY ? { outcome: 'pointers', names } : { outcome: 'empty' };
  }
}

function reverseAddresses({ addresses, own, reverse }: DnsNameBody): readonly Ipv4[] {
  return reverse === true ? [...new Set([...addresses, ...(own?.addresses ?? [])])] : [];
}

function networksNamed(suffix: string, networks: readonly string[]): readonly string[] {
  return networks.filter((network) => network.toLowerCase() === suffix);
}

/**
 * Whether a name can only mean the cluster: nobody else has names under `tasks`, so asking elsewhere would but tell what runs here.
 * Any other unknown name is asked for, one of a single label too: networks at home and in offices have such.
 */
function isOfCluster(wanted: string, { networks }: Asker): boolean {
  if (!wanted.startsWith('tasks.')) return false;
  const rest = wanted.slice('tasks.'.length);
  const dot = rest.indexOf('.');
  return dot < 0 || networksNamed(rest.slice(dot + 1), networks).length > 0;
}

/**
 * Where nothing is asked elsewhere, the cluster's names are all that there are, so NXDOMAIN is the truth: programs fail at once with
 * "unknown host". Docker's SERVFAIL there reads as "try again" and costs them two time-outs.
 */
function unknown(wanted: string, asker: Asker): Answer {
  return { outcome: asker.forwards && !isOfCluster(wanted, asker) ? 'forward' : 'nxdomain' };
}
