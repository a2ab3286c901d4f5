import { type DnsClientBody, type DnsNameBody, type DnsServerBody, objectKey, type Space } from '@portolan/node-state';
import type { DnsBody } from '../../src/dns/changes.js';

/** `set` lines of objects; names and server are in the host's space, clients in that of their endpoint. */
export function setLines(objects: readonly { readonly space?: Space; readonly body: DnsBody }[]): string {
  return objects.map(({ space = 'host', body }) => `set ${objectKey(space, body)} ${JSON.stringify(body)}\n`).join('');
}

export function nameBody(network: string, name: string, addresses: readonly string[], more: Partial<DnsNameBody> = {}): DnsNameBody {
  return { kind: 'dns-name', network, name, addresses, ...more };
}

export function serverBody(more: Partial<DnsServerBody> = {}): DnsServerBody {
  return { kind: 'dns-server', ttl: 5, upstreams: [], ...more };
}

export function clientBody(networks: readonly string[], more: Partial<DnsClientBody> = {}): DnsClientBody {
  return { kind: 'dns-client', port: 11053, networks, forwards: false, ...more };
}

/** The study's stack: `web` balanced, `api` by dnsrr, an endpoint of neither, on two networks; and a network that nobody here sees. */
export const studyNames: readonly DnsNameBody[] = [
  nameBody('app', 'web', ['10.0.1.2']),
  nameBody('app', 'www', ['10.0.1.2']),
  nameBody('app', 'tasks.web', ['10.0.1.10', '10.0.1.11', '10.0.1.12']),
  nameBody('app', 'tasks.www', ['10.0.1.10', '10.0.1.11', '10.0.1.12']),
  nameBody('app', 'web-1', ['10.0.1.10'], { reverse: true }),
  nameBody('app', 'web-2', ['10.0.1.11'], { reverse: true }),
  nameBody('app', 'api', ['10.0.1.20', '10.0.1.21']),
  nameBody('app', 'idle', []),
  nameBody('app', 'db.primary', ['10.0.1.40']),
  nameBody('app', 'gated', ['10.0.1.50'], { own: { service: 'sid', addresses: ['10.0.1.50', '10.0.1.51'] } }),
  nameBody('app', 'gated-2', [], { reverse: true, own: { service: 'sid', addresses: ['10.0.1.51'] } }),
  nameBody('back', 'web', ['10.0.2.2']),
  nameBody('back', 'store', ['10.0.2.3']),
  nameBody('back', 'idle', ['10.0.2.4']),
  nameBody('back.end', 'store', ['10.0.3.3']),
  nameBody('other', 'secret', ['10.0.9.9'], { reverse: true }),
];
