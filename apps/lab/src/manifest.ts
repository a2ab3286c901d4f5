import { readFileSync } from 'node:fs';
import { formatIpv4, type Manifest, type NodeSpec, parseIpv4, portolanError } from '@portolan/model';
import { parse } from 'yaml';

/** Where the hosts beyond the manifest's nodes begin, counted from the start of their /24. */
const firstExtraHost = 171;

/** Reads YAML or JSON. Only what the lab needs before a control plane runs is looked at: that says what else is wrong. */
export function readManifest(path: string): Manifest {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw portolanError('not-found', '', `there is no manifest ${path}`, { cause, fix: 'Name an existing file with --manifest FILE.' });
  }
  let manifest: Partial<Manifest> | null;
  try {
    manifest = parse(text) as Partial<Manifest> | null;
  } catch (cause) {
    throw portolanError('invalid-document', '', `${path}: ${(cause as Error).message}`, { cause, fix: 'Correct the YAML.' });
  }
  const nodes: unknown = manifest?.nodes;
  if (!Array.isArray(nodes) || nodes.length === 0) {
    throw portolanError('invalid-document', '/nodes', `${path} names no nodes, and the lab makes a host for each`, {
      fix: 'Add a section "nodes" as in examples/bjdt.yaml.',
    });
  }
  for (const [index, node] of (nodes as readonly Partial<NodeSpec>[]).entries()) {
    if (typeof node?.name !== 'string') throw portolanError('invalid-document', `/nodes/${index}/name`, 'a node needs a name');
    parseIpv4(String(node.address), `/nodes/${index}/address`);
  }
  return { ...manifest };
}

/** The manifest with as many nodes as hosts are wanted: further ones have no endpoints. Fails with `invalid-document` for fewer than it names. */
export function withHosts(manifest: Manifest, hosts: number | undefined): Manifest {
  const nodes = manifest.nodes ?? [];
  if (hosts === undefined || hosts === nodes.length) return manifest;
  if (!Number.isInteger(hosts) || hosts < nodes.length) {
    throw portolanError('invalid-document', '', `--hosts ${hosts}: the manifest has ${nodes.length} nodes, and each is a host`, {
      fix: `Use a number of at least ${nodes.length}, or a manifest with fewer nodes.`,
    });
  }
  const names = new Set(nodes.map(({ name }) => name));
  const taken = new Set(nodes.map(({ address }) => address));
  const network = parseIpv4(nodes[0]?.address ?? '') & 0xffffff00;
  const extra: NodeSpec[] = [];
  // .1 is the machine's, .254 a guest's.
  for (let last = firstExtraHost, number = 1; nodes.length + extra.length < hosts; last += 1) {
    if (last > 253)
      throw portolanError('pool-exhausted', '', `--hosts ${hosts}: the lab has no more than ${nodes.length + extra.length} addresses`, {
        fix: 'Use fewer hosts.',
      });
    const address = formatIpv4((network + last) >>> 0);
    if (taken.has(address)) continue;
    while (names.has(`node${number}`)) number += 1;
    names.add(`node${number}`);
    extra.push({ name: `node${number}`, role: 'worker', address });
  }
  return { ...manifest, nodes: [...nodes, ...extra] };
}

/** True when hosts of the manifest need IPVS: a service has a VIP, or there is a routing mesh. */
export function balances({ services, networks }: Manifest): boolean {
  return services?.some(({ endpointMode }) => endpointMode !== 'dnsrr') === true || networks?.some(({ ingress }) => ingress === true) === true;
}

/** Ports that a container of the service listens on, such as `8080/tcp`: what is published, and what is probed. */
export function listeningPorts(manifest: Manifest, service: string | undefined): readonly string[] {
  const spec = manifest.services?.find(({ name }) => name === service);
  const ports = (spec?.ports ?? []).map(({ target, protocol }) => `${target}/${protocol ?? 'tcp'}`);
  if (spec?.healthCheck !== undefined) ports.push(`${spec.healthCheck.port}/tcp`);
  return ports.length === 0 ? ['8080/tcp'] : [...new Set(ports)];
}
