import { type FlannelLayout, flannelLayout, isOwnSubnet, ownFieldOf } from '@portolan/flannel';
import { type FlannelSpec, formatIpv4, type Problem, parseCidr, problem } from '@portolan/model';
import { collect, pointerTo } from './problems.js';
import { isUnicast } from './values.js';

/** What the schema of the flannel network cannot say, without a look at the cluster. */
export function flannelProblems(spec: FlannelSpec, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  const { network, subnetLen = null, subnetMin = null, subnetMax = null } = spec;
  const layout = collect(problems, () => flannelLayout({ network, subnetLen, subnetMin, subnetMax }, path));
  if (layout !== undefined && !isUnicast(layout.network)) {
    const fix = 'Choose a private subnet, such as one inside 10.0.0.0/8.';
    problems.push(problem('invalid-subnet', `${path}/network`, `"${network}" is reserved, loopback or multicast`, fix));
  }
  problems.push(...prefixProblems(spec, path), ...reservationProblems(spec, layout, path), ...registryProblems(spec, path));
  return problems;
}

/** flanneld makes one slash of several and takes away the last one: the keys would not be where they seem to be. */
function prefixProblems({ prefix }: FlannelSpec, path: string): readonly Problem[] {
  if (prefix === undefined) return [];
  const meant = prefix.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
  if (meant === prefix) return [];
  return [problem('invalid-document', `${path}/prefix`, `"${prefix}" has slashes that flanneld does not keep`, `Write "${meant}".`)];
}

/** Each is a subnet that a node can get, no two are the same, and no node has two. `layout` is undefined where the network itself is wrong. */
function reservationProblems({ reservations = [], network }: FlannelSpec, layout: FlannelLayout | undefined, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  const [nodes, subnets] = [new Map<string, number>(), new Map<number, string>()];
  reservations.forEach(({ node, subnet: text }, i) => {
    const at = `${path}/reservations/${i}`;
    const first = nodes.get(node);
    if (first === undefined) nodes.set(node, i);
    else
      problems.push(
        problem('duplicate-name', `${at}/node`, `the node "${node}" has a reservation already, at position ${first}`, 'Reserve one subnet for each node.'),
      );
    const subnet = collect(problems, () => parseCidr(text, `${at}/subnet`));
    if (subnet === undefined || layout === undefined) return;
    if (subnet.prefixLength !== layout.subnetLen) {
      const fix = `Write ${formatIpv4(subnet.first)}/${layout.subnetLen}.`;
      problems.push(
        problem('invalid-subnet', `${at}/subnet`, `the subnets of ${network} have ${layout.subnetLen} prefix bits, not ${subnet.prefixLength}`, fix),
      );
    } else if (!isOwnSubnet(layout, text)) {
      const fix = `Choose a subnet from ${formatIpv4(layout.first)}/${layout.subnetLen} to ${formatIpv4(layout.last)}/${layout.subnetLen}.`;
      problems.push(problem('address-outside-network', `${at}/subnet`, `${text} is not one of the subnets that ${network} gives to nodes`, fix));
    } else {
      const other = subnets.get(subnet.first);
      if (other === undefined) subnets.set(subnet.first, node);
      else problems.push(problem('subnet-overlap', `${at}/subnet`, `${text} is reserved for the node "${other}" already`, 'Reserve another subnet.'));
    }
  });
  return problems;
}

function registryProblems({ registry = {} }: FlannelSpec, path: string): readonly Problem[] {
  const problems: Problem[] = [];
  const names = new Map<string, string>();
  for (const [name, value] of Object.entries(registry)) {
    const [at, lower] = [`${path}/registry${pointerTo(name)}`, name.toLowerCase()];
    const own = ownFieldOf(name);
    const other = names.get(lower);
    if (own !== undefined)
      problems.push(problem('invalid-document', at, `"${name}" is no further field of the configuration`, `Write it as "${own}", beside "registry".`));
    else if (other !== undefined)
      problems.push(problem('invalid-document', at, `"${name}" is for flanneld the same field as "${other}"`, 'Leave one of them out.'));
    else if (lower === 'enableipv4' && value === false) {
      problems.push(
        problem('unsupported-combination', at, 'a network without IPv4 carries nothing: Portolan has flannel for IPv4 only', `Leave out "${name}".`),
      );
    }
    names.set(lower, name);
  }
  return problems;
}
