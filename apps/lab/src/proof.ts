import type { Manifest } from '@portolan/model';
import { callApi } from './api.js';
import type { Lab } from './lab.js';
import { listeningPorts } from './manifest.js';
import type { Answers } from './programs/requests.js';

/** A series of requests that must be shared out by one service. */
export interface ProofSeries {
  readonly from: string;
  readonly url: string;
  /** Endpoints that may answer. */
  readonly endpoints: readonly string[];
  /** Round robin: numbers of answers lie within one of each other. */
  readonly even: boolean;
}

export interface ProofTable {
  readonly title: string;
  readonly rows: readonly { readonly label: string; readonly series: ProofSeries }[];
}

export interface JudgedSeries {
  readonly counts: ReadonlyMap<string, number>;
  readonly failed: number;
  /** Why the series is no proof; undefined when it is one. */
  readonly fault: string | undefined;
  readonly clients: readonly string[];
  readonly milliseconds: number;
}

export function judgeSeries(series: ProofSeries, { answers, failures, milliseconds }: Answers): JudgedSeries {
  const counts = new Map(series.endpoints.map((endpoint) => [endpoint, 0]));
  for (const { endpoint } of answers) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
  const strangers = [...counts.keys()].filter((endpoint) => !series.endpoints.includes(endpoint));
  const shares = series.endpoints.map((endpoint) => counts.get(endpoint) ?? 0);
  let fault: string | undefined;
  if (failures.length > 0) fault = `${failures.length} of ${failures.length + answers.length} requests failed: ${failures[0]}`;
  else if (strangers.length > 0) fault = `${strangers.join(', ')} answered, and should not`;
  else if (series.even && Math.max(...shares) - Math.min(...shares) > 1) fault = 'the requests are not shared evenly';
  return { counts, failed: failures.length, fault, clients: [...new Set(answers.map(({ client }) => client))].sort(), milliseconds };
}

interface Service {
  readonly name: string;
  readonly scheduler: string;
  readonly endpointMode: string;
  readonly persistence: number;
  readonly networks: readonly { readonly network: string; readonly vip?: string | null }[];
  readonly ports: readonly {
    readonly published: number;
    readonly target: number;
    readonly protocol: string;
    readonly mode: string;
    readonly externalTrafficPolicy: string;
  }[];
}
interface Network {
  readonly name: string;
  readonly ingress: boolean;
}
interface Endpoint {
  readonly name: string;
  readonly node: string;
  readonly service?: string | null;
  readonly flannelAddress?: string | null;
}

function urlOf(protocol: string, host: string, port: number): string {
  return protocol === 'udp' ? `udp://${host}:${port}` : `http://${host}:${port}/`;
}

/**
 * What to request to see the whole mesh at work: each published port on each host that must answer, and each service by
 * its name from a container of every other service on the network.
 */
export function proofTables(
  lab: Pick<Lab, 'manifest' | 'hosts'>,
  services: readonly Service[],
  networks: readonly Network[],
  count: number,
): readonly ProofTable[] {
  const endpoints = lab.manifest.endpoints ?? [];
  const ingress = new Set(networks.filter((network) => network.ingress).map(({ name }) => name));
  return services.flatMap((service) => {
    const own = endpoints.filter((endpoint) => endpoint.service === service.name && (endpoint.weight ?? 1) > 0);
    const ports = service.ports.filter(({ protocol }) => protocol !== 'sctp');
    if (own.length === 0) return [];
    const even = service.scheduler === 'rr' && service.persistence === 0;
    const onHosts = ports.map(({ published, protocol, mode, externalTrafficPolicy }) => {
      const isLocal = mode === 'host' || externalTrafficPolicy === 'local';
      const rows = [...lab.hosts.values()].flatMap(({ name, address }) => {
        const here = own.filter(({ node }) => node === name);
        if (isLocal && here.length === 0) return [];
        return {
          label: `${name} ${address}${here.length > 0 ? '' : ' (runs none of them)'}`,
          series: {
            from: 'machine',
            url: urlOf(protocol, address, published),
            endpoints: (isLocal ? here : own).map((endpoint) => endpoint.name).sort(),
            even,
          },
        };
      });
      return { title: `${count} requests to port ${published}/${protocol} of every host${isLocal ? ' with an endpoint' : ''}: ${service.name}`, rows };
    });
    const byName = service.networks
      .filter(({ network }) => !ingress.has(network))
      .flatMap(({ network }) => {
        const peers = services.filter((other) => other.networks.some((membership) => membership.network === network)).map(({ name }) => name);
        const others = peers.filter((name) => name !== service.name);
        const clients = (others.length > 0 ? others : peers).flatMap((name) => endpoints.find((endpoint) => endpoint.service === name) ?? []);
        const { target = 8080, protocol = 'tcp' } = ports[0] ?? {};
        const series = { url: urlOf(protocol, `${service.name}.${network}`, target), endpoints: own.map(({ name }) => name).sort() };
        const rows = clients.map(({ name }) => ({ label: name, series: { from: name, ...series, even: even && service.endpointMode === 'vip' } }));
        return { title: `${count} requests from containers to ${service.name}.${network}, port ${target}/${protocol}`, rows };
      });
    return [...onHosts, ...byName].filter(({ rows }) => rows.length > 0);
  });
}

/** What to request to see the flannel network at work: each container on it from the one before, so that every node is left and entered. */
export function flannelProof(manifest: Manifest, endpoints: readonly Endpoint[], count: number): readonly ProofTable[] {
  const pods = endpoints.flatMap(({ name, node, service, flannelAddress }) =>
    typeof flannelAddress === 'string' ? [{ name, node, service, address: flannelAddress }] : [],
  );
  // Neighbours in this order are on different nodes as far as that is possible.
  const seen = new Map<string, number>();
  const turns = pods.map((pod) => {
    const turn = seen.get(pod.node) ?? 0;
    seen.set(pod.node, turn + 1);
    return { ...pod, turn };
  });
  turns.sort((one, other) => one.turn - other.turn);
  const rows = turns.flatMap(({ name, node, service, address }, index) => {
    const from = turns.at(index - 1);
    if (from === undefined || from.name === name) return [];
    const [port = '', protocol = ''] = (listeningPorts(manifest, service ?? undefined)[0] ?? '').split('/');
    const label = `${from.name} ${from.address} on ${from.node} to ${address} on ${node}`;
    return [{ label, series: { from: from.name, url: urlOf(protocol, address, Number(port)), endpoints: [name], even: true } }];
  });
  return rows.length === 0 ? [] : [{ title: `${count} requests from each container of the flannel network to the next`, rows }];
}

export interface ProvedTable {
  readonly title: string;
  readonly endpoints: readonly string[];
  readonly rows: readonly (JudgedSeries & { readonly label: string })[];
}

/** Sends `count` requests to each published port of each host, to each VIP and to each container of the flannel network, and says who answered. */
export async function proveLab(lab: Lab, count = 30): Promise<readonly ProvedTable[]> {
  const base = `${lab.apiUrl}/v1/clusters/${lab.cluster}`;
  const [services, networks, endpoints] = await Promise.all([
    callApi<{ items: readonly Service[] }>(`${base}/services?limit=500`),
    callApi<{ items: readonly Network[] }>(`${base}/networks?limit=500`),
    callApi<{ items: readonly Endpoint[] }>(`${base}/endpoints?limit=500`),
  ]);
  const proved: ProvedTable[] = [];
  for (const { title, rows } of [...proofTables(lab, services.items, networks.items, count), ...flannelProof(lab.manifest, endpoints.items, count)]) {
    const judged: (JudgedSeries & { label: string })[] = [];
    for (const { label, series } of rows) judged.push({ label, ...judgeSeries(series, await lab.request(series.from, series.url, count)) });
    proved.push({ title, endpoints: [...new Set(rows.flatMap(({ series }) => series.endpoints))].sort(), rows: judged });
  }
  return proved;
}
