import { type Cidr, type EndpointSpec, type Ipv4, type Problem, parseCidr, parseIpv4, problem, type ServiceSpec } from '@portolan/model';
import { collect } from './problems.js';

/** What the schema of a service cannot say, and what cannot work together. */
export function serviceProblems(spec: ServiceSpec, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  if (spec.endpointMode === 'dnsrr') problems.push(...dnsrrProblems(spec, path));
  spec.networks?.forEach(({ aliases }, i) => {
    problems.push(...aliasProblems(aliases, spec.name, 'service', `${path}/networks/${i}`));
  });
  spec.ports?.forEach((port, i) => {
    const at = `${path}/ports/${i}`;
    if (port.mode === 'host' && port.externalTrafficPolicy === 'local') {
      const fix = 'Leave out "externalTrafficPolicy": in mode "host" only nodes with an endpoint answer anyway.';
      problems.push(problem('unsupported-combination', `${at}/externalTrafficPolicy`, 'a port of mode "host" has no externalTrafficPolicy "local"', fix));
    }
    problems.push(...hostAddressProblems(port.addresses ?? [], `${at}/addresses`));
    problems.push(...repeated(port.interfaces ?? [], `${at}/interfaces`, (name) => `the interface "${name}" is named twice`));
  });
  return problems;
}

/** With dnsrr a name leads to the endpoints themselves: there is nothing that balances, keeps clients, or is published by the mesh. */
function dnsrrProblems({ networks = [], ports = [], persistence = 0 }: ServiceSpec, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  networks.forEach(({ vip, mark }, i) => {
    for (const [field, value] of Object.entries({ vip, mark })) {
      if (value === undefined) continue;
      const fix = `Leave out "${field}", or choose the endpoint mode "vip".`;
      problems.push(problem('unsupported-combination', `${path}/networks/${i}/${field}`, `a service of endpoint mode "dnsrr" has no ${field}`, fix));
    }
  });
  ports.forEach(({ mode }, i) => {
    if (mode === 'host') return;
    const at = `${path}/ports/${i}${mode === undefined ? '' : '/mode'}`;
    const fix = 'Publish the port in mode "host", or choose the endpoint mode "vip".';
    problems.push(problem('unsupported-combination', at, 'a service of endpoint mode "dnsrr" cannot publish a port in mode "ingress"', fix));
  });
  if (persistence > 0) {
    const fix = 'Leave out "persistence", or choose the endpoint mode "vip".';
    problems.push(problem('unsupported-combination', `${path}/persistence`, 'a service of endpoint mode "dnsrr" has no session affinity', fix));
  }
  return problems;
}

/** An endpoint belongs to a service, joins networks by itself, or is in the flannel network. */
export function endpointProblems(spec: EndpointSpec, path: string): readonly Problem[] {
  const problems = [...aliasProblems(spec.aliases, spec.name, 'endpoint', path)];
  if (spec.service === undefined && spec.networks === undefined && spec.flannel === undefined) {
    const fix = 'Name the service that the endpoint belongs to, or the attachable networks that it joins by itself, or write "flannel": {}.';
    problems.push(problem('invalid-document', path, 'none of "service", "networks" and "flannel" is given', fix));
  }
  if (spec.service !== undefined && spec.networks !== undefined) {
    const message = `an endpoint of a service joins the networks of the service, here "${spec.service}"`;
    problems.push(problem('unsupported-combination', `${path}/networks`, message, 'Leave out "networks", or leave out "service".'));
  }
  return problems;
}

/** Names in DNS differ by more than the case of their letters. `own`: the name that the object has anyway. */
function aliasProblems(aliases: readonly string[] | undefined, own: string, kind: string, path: string): readonly Problem[] {
  const names = new Set([own.toLowerCase()]);
  const problems: Problem[] = [];
  aliases?.forEach((alias, i) => {
    const name = alias.toLowerCase();
    const at = `${path}/aliases/${i}`;
    if (names.has(name)) problems.push(problem('duplicate-name', at, `the ${kind} has the name "${alias}" already`, 'Leave out this alias.'));
    names.add(name);
  });
  return problems;
}

/** Each is an address or a subnet of hosts, and no two say the same. */
function hostAddressProblems(entries: readonly (Ipv4 | Cidr)[], path: string): readonly Problem[] {
  const problems: Problem[] = [];
  entries.forEach((entry, i) => {
    const at = `${path}/${i}`;
    if (entry.includes('/')) collect(problems, () => parseCidr(entry, at));
    else if (collect([], () => parseIpv4(entry)) === undefined) {
      const fix = 'Write an address of a host, such as 192.0.2.10, or a subnet, such as 192.0.2.0/24.';
      problems.push(problem('invalid-address', at, `"${entry}" is neither an IPv4 address nor a subnet`, fix));
    }
  });
  const plain = entries.map((entry) => entry.replace(/\/32$/, ''));
  return [...problems, ...repeated(plain, path, (entry) => `${entry} is named twice`)];
}

function repeated(entries: readonly string[], path: string, message: (entry: string) => string): readonly Problem[] {
  return entries.flatMap((entry, i) => (entries.indexOf(entry) < i ? [problem('invalid-document', `${path}/${i}`, message(entry), 'Leave it out.')] : []));
}
