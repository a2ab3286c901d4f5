import { formatIpv4, ipv4Value } from '@portolan/model';
import type {
  DumpedAddress,
  DumpedForwarding,
  DumpedLink,
  DumpedNeighbour,
  DumpedRealServer,
  DumpedRoute,
  DumpedRule,
  DumpedVirtualServer,
  DumpedVxlan,
  NamespaceDump,
} from './namespace.js';

/** The dump as a file of a collection. `readNamespace` gives back the same, where rules stand by table and real servers by virtual server. */
export function printNamespace(dump: NamespaceDump): string {
  const sections: readonly (readonly string[])[] = [
    ['# addr', ...dump.links.flatMap(linesOfLink)],
    ['# route', ...dump.routes.map(lineOfRoute)],
    ['# neigh', ...dump.neighbours.map(lineOfNeighbour)],
    ['# fdb', ...dump.forwarding.map(lineOfForwarding)],
    ['# iptables', ...printTables(dump)],
    ['# ipvs', ...printServers(dump)],
    ['# sysctl', ...Object.entries(dump.sysctls).map(([name, value]) => (value === '' ? `${name} =` : `${name} = ${value}`))],
  ];
  return sections.flatMap((lines) => lines.map((line) => `${line}\n`)).join('');
}

function linesOfLink({ name, kind, up, mtu, mac, master, vxlan, addresses }: DumpedLink, i: number): string[] {
  const loops = kind === 'loopback';
  const flags = [loops ? 'LOOPBACK' : 'BROADCAST,MULTICAST', ...(up ? ['UP', 'LOWER_UP'] : [])].join(',');
  const port = master === null ? '' : ` master ${master}`;
  const state = up ? 'UNKNOWN' : 'DOWN';
  const medium = `link/${loops ? 'loopback' : 'ether'}${mac === null ? '' : ` ${mac} brd ${loops ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff'}`}`;
  const type = vxlan === null ? kind : `${kind} ${vxlanOptions(vxlan)}`;
  return [
    `${i + 1}: ${name}: <${flags}> mtu ${mtu} qdisc noqueue${port} state ${state} group default`,
    `    ${medium}`,
    ...(loops || kind === 'device' ? [] : [`    ${type}`]),
    ...addresses.flatMap((address) => [`    inet ${lineOfAddress(address)} ${name}`, '       valid_lft forever preferred_lft forever']),
  ];
}

function vxlanOptions({ vni, port, proxy, learning, l2miss, l3miss }: DumpedVxlan): string {
  const flags = Object.entries({ nolearning: !learning, proxy, l2miss, l3miss }).filter(([, set]) => set);
  return [`id ${vni} srcport 0 0 dstport ${port}`, ...flags.map(([flag]) => flag), 'ttl auto ageing 300'].join(' ');
}

function lineOfAddress({ address, prefixLength, scope }: DumpedAddress): string {
  const last = prefixLength < 31 && scope === 'global' ? broadcastOf(address, prefixLength) : undefined;
  return `${address}/${prefixLength}${last === undefined ? '' : ` brd ${last}`} scope ${scope}`;
}

function broadcastOf(address: string, prefixLength: number): string {
  return formatIpv4(((ipv4Value(address) ?? 0) | (0xffffffff >>> prefixLength)) >>> 0);
}

function lineOfRoute({ type, destination, via, link, table, protocol, metric }: DumpedRoute): string {
  return [
    ...(type === 'unicast' ? [] : [type]),
    destination,
    ...(via === null ? [] : ['via', via]),
    ...(link === null ? [] : ['dev', link]),
    ...(table === 'main' ? [] : ['table', table]),
    ...(protocol === null ? [] : ['proto', protocol]),
    ...(metric === 0 ? [] : ['metric', String(metric)]),
  ].join(' ');
}

function lineOfNeighbour({ address, link, mac, state }: DumpedNeighbour): string {
  return `${address} dev ${link}${mac === null ? '' : ` lladdr ${mac}`} ${state}`;
}

function lineOfForwarding({ mac, link, vtep, master, permanent }: DumpedForwarding): string {
  return [
    mac,
    'dev',
    link,
    ...(vtep === null ? [] : ['dst', vtep]),
    ...(master === null ? ['self'] : ['master', master]),
    ...(permanent ? ['permanent'] : []),
  ].join(' ');
}

/** Lines as of iptables-save, and for iptables-restore. */
export function printTables({ chains, rules }: Pick<NamespaceDump, 'chains' | 'rules'>): string[] {
  const tables = new Set([...chains, ...rules].map(({ table }) => table));
  return [...tables].flatMap((table) => [
    `*${table}`,
    ...chains.filter((chain) => chain.table === table).map(({ chain, policy }) => `:${chain} ${policy ?? '-'} [0:0]`),
    ...rules.filter((rule) => rule.table === table).map(printRule),
    'COMMIT',
  ]);
}

/** As iptables-save prints it. */
export function printRule({ chain, match, target, options }: DumpedRule): string {
  return ['-A', chain, match, ...(target === null ? [] : ['-j', target]), options].filter((part) => part !== '').join(' ');
}

/** Lines as of `ipvsadm -Sn`, and for `ipvsadm -R`. */
export function printServers({ virtualServers, realServers }: Pick<NamespaceDump, 'virtualServers' | 'realServers'>): string[] {
  const behind = new Map<number, DumpedRealServer[]>();
  for (const real of realServers) {
    const known = behind.get(real.mark);
    if (known === undefined) behind.set(real.mark, [real]);
    else known.push(real);
  }
  const lines: string[] = [];
  for (const server of virtualServers) {
    lines.push(printVirtualServer(server), ...(behind.get(server.mark) ?? []).map(printRealServer));
    behind.delete(server.mark);
  }
  return [...lines, ...[...behind.values()].flat().map(printRealServer)];
}

/** As `ipvsadm -Sn` prints it. */
export function printVirtualServer({ mark, scheduler, persistence }: DumpedVirtualServer): string {
  return `-A -f ${mark} -s ${scheduler}${persistence === 0 ? '' : ` -p ${persistence}`}`;
}

const flags = { masquerade: '-m', direct: '-g', tunnel: '-i' } as const;

/** As `ipvsadm -Sn` prints it. */
export function printRealServer({ mark, address, port, forwarding, weight }: DumpedRealServer): string {
  return `-a -f ${mark} -r ${address}:${port} ${flags[forwarding]} -w ${weight}`;
}
