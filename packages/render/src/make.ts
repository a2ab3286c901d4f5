import { canonicalJson, type KernelObject, type ObjectBody, type ObjectKind, type ObservedObject, type Space } from '@portolan/node-state';
import { changesInPlace } from '@portolan/plan';
import type { Layout } from './batch.js';
import { removeObject } from './remove.js';
import type { Sheet } from './sheet.js';
import { ADDRESS_LABEL, linkAlias, ROUTE_PROTOCOL, RULE_PRIORITY, schedulerFlags } from './tag.js';

type Made<K extends ObjectKind> = Extract<ObjectBody, { kind: K }>;
/** Kinds that are written one by one; rules are written a namespace at a time. */
type SingleKind = Exclude<
  ObjectKind,
  | 'mark'
  | 'source-kept'
  | 'source-rewrite'
  | 'rule-entry'
  | 'port-redirect'
  | 'endpoint-filter'
  | 'gateway-policy'
  | 'port-forward'
  | 'pod-forward'
  | 'pod-masquerade'
  | 'dns-redirect'
>;

interface Making<B> {
  readonly body: B;
  readonly object: KernelObject;
  /** What is there now; undefined when it is to be created. */
  readonly observed: ObservedObject | undefined;
  /** What was there, and is removed first, was damaged. */
  readonly damaged: boolean;
  readonly space: Space;
  readonly layout: Layout;
  readonly sheet: Sheet;
  /** Adds lines for the namespace of the object, for `ip`. */
  readonly setUp: (...lines: readonly string[]) => void;
}

const makers: { readonly [K in SingleKind]: (making: Making<Made<K>>) => void } = {
  namespace: ({ observed, object, space, sheet, setUp }) => {
    if (observed === undefined) sheet.add('namespaces', 'host', object.key, `add ${space.slice('own:'.length)}`);
    setUp('link set dev lo up');
  },
  bridge: ({ body: { name, mtu, mac }, observed, object, space, layout, setUp }) => {
    const address = mac === undefined ? '' : ` address ${mac}`;
    // No port VLAN, so that the bridge forwards untagged frames whatever its VLAN settings are.
    if (observed === undefined) setUp(`link add name ${name} mtu ${mtu}${address} type bridge vlan_default_pvid 0`);
    else setUp(`link set dev ${name} mtu ${mtu}${address}`, `link set dev ${name} type bridge vlan_default_pvid 0`);
    setUp(...dressing(name, object, layout, space === 'host'), `link set dev ${name} up`);
  },
  vxlan: ({ body, observed, object, space, layout, sheet, setUp }) => {
    const { name, vni, port, mtu, master } = body;
    if (observed === undefined) {
      const type = `type vxlan id ${vni} dstport ${port} learning proxy l2miss l3miss`;
      sheet.add('host-links', 'host', object.key, `link add name ${name} mtu ${mtu}${inNamespace(space, layout)} ${type}`);
    }
    setUp(...dressing(name, object, layout, false), `link set dev ${name} mtu ${mtu} master ${master} up`);
  },
  'flannel-vtep': ({ body, observed, object, setUp }) => {
    const { name, vni, port, mtu, mac, local, underlay, learning, gbp } = body;
    const type = `type vxlan id ${vni} dev ${underlay} local ${local} ${learning ? 'learning' : 'nolearning'} dstport ${port}${gbp ? ' gbp' : ''}`;
    // With its MAC from the beginning, so that nobody else gives it one.
    if (observed === undefined) setUp(`link add ${name} txqueuelen 0 mtu ${mtu} address ${mac} ${type}`);
    else setUp(`link set dev ${name} mtu ${mtu} nomaster`);
    // Unlike the other links it has its IPv6 address, as flanneld leaves it.
    setUp(`link set dev ${name} alias "${linkAlias(object.key, object.hash)}"`, `link set dev ${name} up`);
  },
  'udp-relay': ({ body, object, sheet, setUp }) => {
    sheet.add('relay', 'host', object.key, setLine(object.key, body));
    setUp(`link set dev ${body.name} mtu ${body.mtu} up`);
  },
  'udp-relay-peer': ({ body, object, sheet }) => sheet.add('relay-peers', 'host', object.key, setLine(object.key, body)),
  veth: ({ body, observed, object, space, layout, sheet, setUp }) => {
    const { name, master, mtu, isolated, peer } = body;
    if (observed === undefined) {
      const near = `name ${name} mtu ${mtu}${inNamespace(space, layout)}`;
      const far = `name ${peer.name} mtu ${mtu} address ${peer.mac}${inNamespace(peer.space, layout)}`;
      sheet.add('host-links', 'host', object.key, `link add ${near} type veth peer ${far}`);
    }
    setUp(...dressing(name, object, layout, true), `link set dev ${name} mtu ${mtu} ${master === undefined ? 'nomaster' : `master ${master}`} up`);
    const wasIsolated = observed?.body?.kind === 'veth' && observed.body.isolated === true;
    if (master !== undefined && (isolated === true || wasIsolated))
      setUp(`link set dev ${name} type bridge_slave isolated ${isolated === true ? 'on' : 'off'}`);
    sheet.add(setUpSlot(peer.space), peer.space, object.key, ...dressing(peer.name, object, layout, true), `link set dev ${peer.name} mtu ${mtu} up`);
  },
  address: ({ body: { link, address, prefixLength }, setUp }) => {
    // A link that is not ours, such as lo, does not tell whose its addresses are.
    const label = link === 'lo' ? ` label ${ADDRESS_LABEL}` : '';
    setUp(`address replace ${address}/${prefixLength}${prefixLength < 31 ? ' broadcast +' : ''} dev ${link}${label}`);
  },
  sysctl: ({ body: { name, value }, object, space, sheet }) => sheet.add('sysctls', space, object.key, `${name} = ${value}`),
  route: ({ body: { destination, via, link, table, metric, onlink, scope }, object, space, sheet }) => {
    const way = via === undefined ? `dev ${link} scope ${scope ?? 'link'}` : `via ${via} dev ${link}${onlink === true ? ' onlink' : ''}`;
    const place = `${table === undefined ? '' : ` table ${table}`}${metric === undefined ? '' : ` metric ${metric}`}`;
    sheet.add(space === 'host' ? 'host-routes' : 'set-up', space, object.key, `route replace ${destination} ${way} proto ${ROUTE_PROTOCOL}${place}`);
  },
  'route-rule': ({ body: { from, table }, damaged, setUp }) => {
    // Of several one goes at a time, for how many there are nobody has counted; what then is missing is found next time.
    if (!damaged) setUp(`rule add from ${from} lookup ${table} priority ${RULE_PRIORITY} protocol ${ROUTE_PROTOCOL}`);
  },
  neighbour: ({ body: { link, address, mac }, setUp }) => setUp(`neighbour replace ${address} lladdr ${mac} dev ${link} nud permanent`),
  fdb: ({ body: { link, mac, vtep }, object, observed, space, sheet }) => {
    // Replacing changes one destination of a MAC only; where there are several, all must go.
    if (observed?.hash === '') sheet.add('peers', space, object.key, `fdb delete ${mac} dev ${link} self`);
    sheet.add('peers', space, object.key, `fdb replace ${mac} dev ${link} dst ${vtep} self permanent`);
  },
  // `ipvsadm -R` takes each line for the arguments of a run of its own, so this one, too.
  'ipvs-timeouts': ({ body: { tcp, tcpFin, udp }, object, space, sheet }) => sheet.add('servers', space, object.key, `--set ${tcp} ${tcpFin} ${udp}`),
  'virtual-server': ({ body: { mark, scheduler, persistence }, observed, object, space, sheet }) => {
    const flags = schedulerFlags[scheduler];
    const affinity = persistence === undefined ? '' : ` -p ${persistence}`;
    sheet.add(
      'servers',
      space,
      object.key,
      `${observed === undefined ? '-A' : '-E'} -f ${mark} -s ${scheduler}${affinity}${flags === undefined ? '' : ` -b ${flags}`}`,
    );
  },
  'real-server': ({ body: { mark, address, forwarding, weight }, observed, object, space, sheet }) =>
    sheet.add(
      'servers',
      space,
      object.key,
      `${observed === undefined ? '-a' : '-e'} -f ${mark} -r ${address}:0 ${forwarding === 'direct' ? '-g' : '-m'} -w ${weight}`,
    ),
  file: ({ body, object, sheet }) => sheet.add('files', 'host', object.key, setLine(object.key, body)),
  'dns-server': setName,
  'dns-name': setName,
  'dns-client': setName,
};

/** The names of all spaces are held by one name server, the agent's. */
function setName({ body, object, sheet }: Making<ObjectBody>): void {
  sheet.add('names', 'host', object.key, setLine(object.key, body));
}

/** The line that makes the name server, the relay or the folder of files hold this. */
export function setLine(key: string, body: ObjectBody): string {
  return `set ${key} ${canonicalJson(body)}`;
}

/** Adds what creates an object, or changes what is there. What cannot be changed where it is, is removed first. */
export function makeObject(object: KernelObject, observed: ObservedObject | undefined, layout: Layout, sheet: Sheet): void {
  const { body, space } = object;
  const make = (makers as Partial<Record<ObjectKind, (making: Making<ObjectBody>) => void>>)[body.kind];
  if (make === undefined) return;
  const anew = observed !== undefined && !changesInPlace(observed, body);
  if (anew) removeObject(observed, sheet, 'remove-first');
  const setUp = (...lines: readonly string[]): void => sheet.add(setUpSlot(space), space, object.key, ...lines);
  make({ body, object, observed: anew ? undefined : observed, damaged: anew && observed.hash === '', space, layout, sheet, setUp });
}

function setUpSlot(space: Space): 'host-links' | 'set-up' {
  return space === 'host' ? 'host-links' : 'set-up';
}

/** ` netns PATH` where a link is made for another namespace than the host's. */
function inNamespace(space: Space, layout: Layout): string {
  return space === 'host' ? '' : ` netns ${layout.pathOf(space)}`;
}

/** Before a link is up: no IPv6 address of its own, and its alias where it must be recognised. */
function dressing(name: string, { key, hash }: KernelObject, { ipv6 = true }: Layout, alias: boolean): string[] {
  return [...(ipv6 ? [`link set dev ${name} addrgenmode none`] : []), ...(alias ? [`link set dev ${name} alias "${linkAlias(key, hash)}"`] : [])];
}
