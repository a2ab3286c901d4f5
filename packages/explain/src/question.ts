import { type Endpoint, type Ipv4, ipv4Value, type Node, portolanError, type Snapshot } from '@portolan/model';
import { type Transport, transports } from './explanation.js';

/** Who sends. */
export type Client =
  | { readonly kind: 'endpoint'; readonly endpoint: Endpoint; readonly node: Node }
  | { readonly kind: 'host'; readonly node: Node }
  | { readonly kind: 'outside'; readonly address: Ipv4 };

/** What is dialled, as it was written. */
export interface Target {
  readonly kind: 'name' | 'address' | 'node' | 'endpoint';
  readonly text: string;
  readonly port: number | null;
  readonly transport: Transport;
}

/** Of documentation: nobody's. */
const ANY_CLIENT = '203.0.113.7';

/** `endpoint:NAME`, `node:NAME`, `outside` or `outside:ADDRESS`. Throws `invalid-document` or `not-found`. */
export function clientOf(snapshot: Snapshot, text: string): Client {
  const [kind = '', ...rest] = text.split(':');
  const name = rest.join(':');
  if (kind === 'outside') {
    const address = name === '' ? ANY_CLIENT : name;
    if (ipv4Value(address) === undefined)
      throw portolanError('invalid-document', '/from', `${address} is no IPv4 address`, { fix: 'Write outside, or outside:ADDRESS.' });
    return { kind: 'outside', address };
  }
  if (kind === 'node') return { kind: 'host', node: nodeNamed(snapshot, name, '/from') };
  if (kind !== 'endpoint') {
    throw portolanError('invalid-document', '/from', `${text} says nobody who could send`, {
      fix: 'Write endpoint:NAME, node:NAME, outside or outside:ADDRESS.',
    });
  }
  const endpoint = endpointNamed(snapshot, name, '/from');
  const node = snapshot.nodes.get(endpoint.nodeId);
  if (node === undefined) throw portolanError('internal', '', `endpoint ${name} is on no node`);
  return { kind: 'endpoint', endpoint, node };
}

/** `NAME[:PORT][/tcp|/udp|/icmp]`, `ADDRESS…`, `node:NAME:PORT…`, `endpoint:NAME…`. Throws `invalid-document`. */
export function targetOf(text: string): Target {
  const [, body = '', suffix] = /^(.*?)(?:\/([a-z]+))?$/.exec(text) ?? [];
  const prefix = /^(node|endpoint):/.exec(body)?.[1];
  const rest = prefix === undefined ? body : body.slice(prefix.length + 1);
  const [, name = '', digits] = /^(.*?)(?::(\d+))?$/.exec(rest) ?? [];
  const port = digits === undefined ? null : Number(digits);
  const transport = suffix === undefined ? 'tcp' : transports.find((own) => own === suffix);
  if (transport === undefined)
    throw portolanError('invalid-document', '/to', `${suffix} is no protocol that can be walked`, { fix: `Write one of ${transports.join(', ')}.` });
  if (name === '')
    throw portolanError('invalid-document', '/to', `${text} names nothing`, { fix: 'Write NAME:PORT, ADDRESS:PORT, node:NAME:PORT or endpoint:NAME:PORT.' });
  if (port !== null && (port < 1 || port > 65535)) throw portolanError('invalid-document', '/to', `${port} is no port`, { fix: 'Ports are 1 to 65535.' });
  const kind = prefix === 'node' || prefix === 'endpoint' ? prefix : ipv4Value(name) === undefined ? 'name' : 'address';
  return { kind, text: name, port, transport };
}

export function nodeNamed({ nodes, cluster }: Snapshot, name: string, path: string): Node {
  const node = [...nodes.values()].find((own) => own.name === name);
  if (node === undefined) throw portolanError('not-found', path, `there is no node ${name} in cluster ${cluster.name}`, { fix: 'See portolan get nodes.' });
  return node;
}

export function endpointNamed({ endpoints, cluster }: Snapshot, name: string, path: string): Endpoint {
  const endpoint = [...endpoints.values()].find((own) => own.name === name);
  if (endpoint === undefined) {
    throw portolanError('not-found', path, `there is no endpoint ${name} in cluster ${cluster.name}`, { fix: 'See portolan get endpoints.' });
  }
  return endpoint;
}
