import { callApi } from './api.js';
import type { Lab } from './lab.js';
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
  readonly networks: readonly { readonly network: string; readonly vip: string }[];
  readonly ports: readonly { readonly published: number; readonly target: number; readonly protocol: string }[];
}
interface Network {
  readonly name: string;
  readonly ingress: boolean;
}

/** What to request to see the whole mesh at work: each published port on each host, and each VIP from a container. */
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
    const tcp = service.ports.filter(({ protocol }) => protocol === 'tcp');
    if (own.length === 0 || tcp.length === 0) return [];
    const backends = { endpoints: own.map(({ name }) => name).sort(), even: service.scheduler === 'rr' };
    const onHosts = tcp.map(({ published }) => ({
      title: `${count} requests to port ${published} of every host: ${service.name}`,
      rows: [...lab.hosts.values()].map(({ name, address }) => ({
        label: `${name} ${address}${own.some(({ node }) => node === name) ? '' : ' (runs none of them)'}`,
        series: { from: 'machine', url: `http://${address}:${published}/`, ...backends },
      })),
    }));
    const others = services.filter(({ name }) => name !== service.name);
    const onVips = service.networks
      .filter(({ network }) => !ingress.has(network))
      .flatMap(({ network, vip }) => {
        const peers = others.filter((other) => other.networks.some((membership) => membership.network === network)).map(({ name }) => name);
        const from = endpoints.find((endpoint) => peers.includes(endpoint.service)) ?? own[0];
        const port = tcp[0]?.target;
        if (from === undefined || port === undefined) return [];
        const series = { from: from.name, url: `http://${vip}:${port}/`, ...backends };
        return [{ title: `${count} requests from a container to ${vip} (port ${port}): ${service.name}`, rows: [{ label: from.name, series }] }];
      });
    return [...onHosts, ...onVips];
  });
}

export interface ProvedTable {
  readonly title: string;
  readonly endpoints: readonly string[];
  readonly rows: readonly (JudgedSeries & { readonly label: string })[];
}

/** Sends `count` requests to each published port of each host and to each VIP, and says who answered. */
export async function proveLab(lab: Lab, count = 30): Promise<readonly ProvedTable[]> {
  const base = `${lab.apiUrl}/v1/clusters/${lab.cluster}`;
  const [services, networks] = await Promise.all([
    callApi<{ items: readonly Service[] }>(`${base}/services?limit=500`),
    callApi<{ items: readonly Network[] }>(`${base}/networks?limit=500`),
  ]);
  const proved: ProvedTable[] = [];
  for (const { title, rows } of proofTables(lab, services.items, networks.items, count)) {
    const judged: (JudgedSeries & { label: string })[] = [];
    for (const { label, series } of rows) judged.push({ label, ...judgeSeries(series, await lab.request(series.from, series.url, count)) });
    proved.push({ title, endpoints: rows[0]?.series.endpoints ?? [], rows: judged });
  }
  return proved;
}
