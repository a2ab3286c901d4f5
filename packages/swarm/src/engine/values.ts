import { type Cidr, formatCidr, formatIpv4, type Ipv4, ipv4Value, type Mac, macOfIpv4, type Protocol, parseIpv4, protocols } from '@portolan/model';
import type { SwarmPort } from '../facts.js';
import type { Complaints } from './documents.js';
import type { EnginePort } from './schemas.js';

/** An address with the length of its prefix. */
export interface Interface {
  readonly address: Ipv4;
  readonly prefixLength: number;
}

/** `10.0.1.3/24`. null, with a complaint unless it is IPv6, when it is none. */
export function interfaceOf(text: string, path: string, complaints: Complaints): Interface | null {
  const [address = '', length = '', ...rest] = text.split('/');
  const prefixLength = Number(length);
  if (rest.length === 0 && ipv4Value(address) !== undefined && /^\d{1,2}$/.test(length) && prefixLength <= 32) return { address, prefixLength };
  if (!isIpv6(text)) complaints.at(path, `"${text}" is no IPv4 address with a prefix length`);
  return null;
}

/** A subnet without its host bits, which Docker lets through. null, with a complaint unless it is IPv6, when it is none. */
export function subnetOf(text: string, path: string, complaints: Complaints): Cidr | null {
  const parsed = interfaceOf(text, path, complaints);
  if (parsed === null) return null;
  const value = parseIpv4(parsed.address);
  const first = value - (value % 2 ** (32 - parsed.prefixLength));
  return formatCidr({ first, last: first, prefixLength: parsed.prefixLength });
}

/** The first host address of a subnet: what Docker gives as the gateway where nobody chose one. */
export function firstHost(subnet: Cidr): Ipv4 {
  return formatIpv4(parseIpv4(subnet.slice(0, subnet.indexOf('/'))) + 1);
}

export function isIpv6(text: string): boolean {
  return text.includes(':');
}

/** The host of `172.16.130.140:2377` or of `172.16.130.140`; null when it is no IPv4 address, or 0.0.0.0. */
export function hostOf(text: string | null | undefined): Ipv4 | null {
  const [, host = ''] = /^([^:]*)(:\d+)?$/.exec(text ?? '') ?? [];
  return ipv4Value(host) === undefined || host === '0.0.0.0' ? null : host;
}

/** As it was given, or Docker's own of the address. */
export function macOr(text: string | null | undefined, address: Ipv4): Mac {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text ?? '') ? (text ?? '').toLowerCase() : macOfIpv4(address);
}

/** Each once: of a port of mode `host` Docker lists one for IPv4 and one for IPv6, which look the same. */
export function portsOf(ports: readonly EnginePort[] | null | undefined, path: string, complaints: Complaints): readonly SwarmPort[] {
  const read = (ports ?? []).flatMap((port, i) => {
    const protocol = protocolOf(port.Protocol ?? 'tcp');
    const target = port.TargetPort ?? 0;
    const published = port.PublishedPort ?? 0;
    if (protocol === undefined) complaints.at(`${path}/${i}/Protocol`, `"${port.Protocol}" is none of ${protocols.join(', ')}`);
    else if (!isPort(target) || (published !== 0 && !isPort(published))) complaints.at(`${path}/${i}`, `${published}:${target} are no ports`);
    else return [{ protocol, target, published, mode: port.PublishMode === 'host' ? 'host' : 'ingress' } as const];
    return [];
  });
  return [...new Map(read.map((port) => [Object.values(port).join(), port])).values()];
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65535;
}

function protocolOf(text: string): Protocol | undefined {
  return protocols.find((protocol) => protocol === text.toLowerCase());
}
