import { type DumpedLink, type DumpedRoute, type NamespaceDump, printServers, printTables } from '@portolan/dump';
import { pairsOf } from './pairs.js';
import { namedPath, quoted, Script } from './script.js';

const HOST = 'host';

/** A script that makes the namespaces of a node what the dumps say, in a kernel without them. */
export function dockerScript(title: string, dumps: ReadonlyMap<string, NamespaceDump>): string {
  const script = new Script();
  const others = [...dumps.keys()].filter((name) => name !== HOST);
  script.comment(
    title,
    'Run it once, as root, on a host without Docker. The namespaces have the names that Docker gives them in /var/run/docker/netns;',
    'those of tasks are made, too, in the place of containers. Names of veths are ours where Docker draws them.',
  );
  script.command('set -eu');
  script.loadIpvs([...dumps.values()].flatMap(({ virtualServers }) => virtualServers.map(({ scheduler }) => scheduler)));
  script.feed(
    undefined,
    'ip -batch -',
    others.map((name) => `netns add ${name}`),
  );
  script.feed(undefined, 'ip -batch -', linksOf(dumps));
  const inOrder = [...others, ...(dumps.has(HOST) ? [HOST] : [])];
  for (const name of inOrder) {
    const dump = dumps.get(name);
    if (dump === undefined) continue;
    const path = name === HOST ? undefined : namedPath(name);
    script.feed(path, 'ip -batch -', setUpOf(dump, name === HOST));
    script.feed(
      path,
      'bridge -batch -',
      dump.forwarding.filter(({ vtep }) => vtep !== null).map(({ mac, link, vtep }) => `fdb replace ${mac} dev ${link} dst ${vtep} self permanent`),
    );
    script.feed(
      path,
      'sysctl -q -p -',
      Object.entries(dump.sysctls).map(([setting, value]) => `${setting} = ${value}`),
    );
    script.feed(path, 'ipvsadm -R', printServers(dump));
    script.feed(path, 'iptables-restore --noflush --wait 10', printTables(dump));
  }
  return script.toString();
}

/** Links that are made from the host: VTEPs, whose UDP sockets stay there, and pairs. */
function linksOf(dumps: ReadonlyMap<string, NamespaceDump>): string[] {
  const place = (namespace: string): string => (namespace === HOST ? '' : ` netns ${quoted(namedPath(namespace))}`);
  const end = (namespace: string, { name, mtu, mac }: DumpedLink): string =>
    `name ${name} mtu ${mtu}${mac === null ? '' : ` address ${mac}`}${place(namespace)}`;
  const vteps = [...dumps].flatMap(([namespace, { links }]) =>
    links.flatMap((link) => {
      if (link.vxlan === null) return [];
      const { vni, port, proxy, learning, l2miss, l3miss } = link.vxlan;
      const flags = Object.entries({ proxy, l2miss, l3miss }).filter(([, set]) => set);
      const options = [learning ? 'learning' : 'nolearning', ...flags.map(([flag]) => flag)].join(' ');
      return [`link add ${end(namespace, link)} type vxlan id ${vni} dstport ${port} ${options}`];
    }),
  );
  const pairs = pairsOf(dumps).map(({ port, far }) => `link add ${end(port.namespace, port.link)} type veth peer ${end(far.namespace, far.link)}`);
  return [...vteps, ...pairs];
}

function setUpOf({ links, routes, neighbours }: NamespaceDump, isHost: boolean): string[] {
  const bridges = links.filter(({ kind }) => kind === 'bridge');
  const made = links.filter(({ kind }) => kind !== 'loopback');
  return [
    ...(isHost ? [] : ['link set dev lo up']),
    ...bridges.map(({ name, mtu, mac }) => `link add name ${name} mtu ${mtu}${mac === null ? '' : ` address ${mac}`} type bridge`),
    ...made.flatMap(({ name, up, master }) =>
      up || master !== null ? [`link set dev ${name}${master === null ? '' : ` master ${master}`}${up ? ' up' : ''}`] : [],
    ),
    // lo gets the address that it always has by itself.
    ...links.flatMap(({ name, addresses }) =>
      addresses
        .filter(({ scope }) => scope !== 'host')
        .map(
          ({ address, prefixLength, scope }) =>
            `address replace ${address}/${prefixLength}${prefixLength < 31 ? ' broadcast +' : ''} scope ${scope} dev ${name}`,
        ),
    ),
    ...routes.filter(({ protocol }) => protocol !== 'kernel').map(routeLine),
    ...neighbours
      .filter(({ mac, state }) => mac !== null && state === 'PERMANENT')
      .map(({ address, link, mac }) => `neighbour replace ${address} lladdr ${mac} dev ${link} nud permanent`),
  ];
}

function routeLine({ type, destination, via, link, table, protocol, metric }: DumpedRoute): string {
  return [
    `route replace ${type} ${destination}`,
    ...(via === null ? [] : [`via ${via}`]),
    ...(link === null ? [] : [`dev ${link}`]),
    ...(table === 'main' ? [] : [`table ${table}`]),
    ...(protocol === null ? [] : [`proto ${protocol}`]),
    ...(metric === 0 ? [] : [`metric ${metric}`]),
  ].join(' ');
}
