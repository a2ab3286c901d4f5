import type { KernelObject, ObjectBody, ObjectKind, ObservedObject, Space } from '@portolan/node-state';
import { changesInPlace } from '@portolan/plan';
import type { Layout } from './batch.js';
import { removeObject } from './remove.js';
import type { Sheet } from './sheet.js';
import { linkAlias, ROUTE_PROTOCOL } from './tag.js';

type Made<K extends ObjectKind> = Extract<ObjectBody, { kind: K }>;
/** Kinds that are written one by one; rules are written a namespace at a time. */
type SingleKind = Exclude<ObjectKind, 'mark' | 'source-rewrite' | 'rule-entry' | 'port-redirect' | 'endpoint-filter' | 'gateway-policy' | 'port-forward'>;

interface Making<B> {
  readonly body: B;
  readonly object: KernelObject;
  /** What is there now; undefined when it is to be created. */
  readonly observed: ObservedObject | undefined;
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
  bridge: ({ body: { name, mtu }, observed, object, space, layout, setUp }) => {
    // No port VLAN, so that the bridge forwards untagged frames whatever its VLAN settings are.
    if (observed === undefined) setUp(`link add name ${name} mtu ${mtu} type bridge vlan_default_pvid 0`);
    else setUp(`link set dev ${name} mtu ${mtu}`, `link set dev ${name} type bridge vlan_default_pvid 0`);
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
  veth: ({ body, observed, object, space, layout, sheet, setUp }) => {
    const { name, master, mtu, peer } = body;
    if (observed === undefined) {
      const near = `name ${name} mtu ${mtu}${inNamespace(space, layout)}`;
      const far = `name ${peer.name} mtu ${mtu} address ${peer.mac}${inNamespace(peer.space, layout)}`;
      sheet.add('host-links', 'host', object.key, `link add ${near} type veth peer ${far}`);
    }
    setUp(...dressing(name, object, layout, true), `link set dev ${name} mtu ${mtu} ${master === undefined ? 'nomaster' : `master ${master}`} up`);
    sheet.add(setUpSlot(peer.space), peer.space, object.key, ...dressing(peer.name, object, layout, true), `link set dev ${peer.name} mtu ${mtu} up`);
  },
  address: ({ body: { link, address, prefixLength }, setUp }) => {
    setUp(`address replace ${address}/${prefixLength}${prefixLength < 31 ? ' broadcast +' : ''} dev ${link}`);
  },
  sysctl: ({ body: { name, value }, object, space, sheet }) => sheet.add('sysctls', space, object.key, `${name} = ${value}`),
  route: ({ body: { destination, via, link }, setUp }) => setUp(`route replace ${destination} via ${via} dev ${link} proto ${ROUTE_PROTOCOL}`),
  neighbour: ({ body: { link, address, mac }, setUp }) => setUp(`neighbour replace ${address} lladdr ${mac} dev ${link} nud permanent`),
  fdb: ({ body: { link, mac, vtep }, object, observed, space, sheet }) => {
    // Replacing changes one destination of a MAC only; where there are several, all must go.
    if (observed?.hash === '') sheet.add('peers', space, object.key, `fdb delete ${mac} dev ${link} self`);
    sheet.add('peers', space, object.key, `fdb replace ${mac} dev ${link} dst ${vtep} self permanent`);
  },
  'virtual-server': ({ body: { mark, scheduler }, observed, object, space, sheet }) =>
    sheet.add('servers', space, object.key, `${observed === undefined ? '-A' : '-E'} -f ${mark} -s ${scheduler}`),
  'real-server': ({ body: { mark, address, weight }, observed, object, space, sheet }) =>
    sheet.add('servers', space, object.key, `${observed === undefined ? '-a' : '-e'} -f ${mark} -r ${address}:0 -m -w ${weight}`),
};

/** Adds what creates an object, or changes what is there. What cannot be changed where it is, is removed first. */
export function makeObject(object: KernelObject, observed: ObservedObject | undefined, layout: Layout, sheet: Sheet): void {
  const { body, space } = object;
  const make = (makers as Partial<Record<ObjectKind, (making: Making<ObjectBody>) => void>>)[body.kind];
  if (make === undefined) return;
  const anew = observed !== undefined && (body.kind === 'address' || !changesInPlace(observed, body));
  if (anew) removeObject(observed, sheet, 'remove-first');
  const setUp = (...lines: readonly string[]): void => sheet.add(setUpSlot(space), space, object.key, ...lines);
  make({ body, object, observed: anew ? undefined : observed, space, layout, sheet, setUp });
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
