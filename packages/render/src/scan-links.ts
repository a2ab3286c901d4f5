import { type ObjectBody, type ObjectKind, type ObservedObject, observedObject, type Space } from '@portolan/node-state';
import { type LinkEntry, parseEntries } from './iproute.js';
import { isOwnSpace } from './rules.js';
import type { LinkScan, TunScan, VethHalf } from './scan.js';
import { ADDRESS_LABEL, keyOfAlias } from './tag.js';

/** Names of our links on the host start so; a link that was made but not set up has nothing else to tell it by. */
const HOST_LINK_PREFIX = 'ptl_';

/**
 * Output of `ip -j -d addr show`. Gives the namespace object of an own space (damaged when lo is down), bridges,
 * VTEPs and addresses as objects, and the ends of veths as halves for `joinVeths`. On the host and in endpoints only
 * links with an alias or a name of ours, and the addresses on them, are ours; on lo, addresses with a label of ours.
 *
 * `wanted` are keys of objects. A link of such a name and kind on the host is ours, too, whoever made it, and damaged without our alias:
 * one that lost it, one that an agent died over, or that of a flanneld which ran here before. flanneld, too, takes what has its name.
 */
export function scanLinks(space: Space, json: string, wanted: ReadonlySet<string> = new Set()): LinkScan {
  const own = isOwnSpace(space);
  const objects: ObservedObject[] = [];
  const halves: VethHalf[] = [];
  const foreign: string[] = [];
  const vteps: string[] = [];
  const tuns: TunScan[] = [];
  for (const link of parseEntries<LinkEntry>('ip', json)) {
    const key = keyOfAlias(link.ifalias);
    if (link.ifname === 'lo') {
      if (own) objects.push(damagedIf(!isUp(link), observedObject(space, { kind: 'namespace' })));
      objects.push(...addressesOf(space, { ...link, addr_info: link.addr_info?.filter(({ label }) => label === ADDRESS_LABEL) ?? [] }));
      continue;
    }
    if (!own && key === undefined && !(space === 'host' && (link.ifname.startsWith(HOST_LINK_PREFIX) || isWanted(link, wanted)))) continue;
    if (link.linkinfo?.info_kind === 'tun') tuns.push({ name: link.ifname, mtu: link.mtu, up: isUp(link) });
    else if (link.linkinfo?.info_kind === 'veth') halves.push(halfOf(space, key, link));
    else {
      const object = objectOf(space, link);
      if (object === undefined) foreign.push(`${link.linkinfo?.info_kind ?? 'link'} ${link.ifname}`);
      else objects.push(object);
      if (object?.kind === 'flannel-vtep') vteps.push(link.ifname);
    }
    objects.push(...addressesOf(space, link));
  }
  return { objects, halves, vteps, tuns, foreign: own ? foreign : [] };
}

const kindsOfWanted: Readonly<Partial<Record<string, ObjectKind>>> = { bridge: 'bridge', vxlan: 'flannel-vtep', tun: 'udp-relay' };

function isWanted({ ifname, linkinfo }: LinkEntry, wanted: ReadonlySet<string>): boolean {
  const kind = kindsOfWanted[linkinfo?.info_kind ?? ''];
  return kind !== undefined && wanted.has(`${kind}/host/${ifname}`);
}

function isUp({ flags }: LinkEntry): boolean {
  return flags.includes('UP');
}

function damagedIf(damaged: boolean, object: ObservedObject): ObservedObject {
  return damaged ? { ...object, hash: '' } : object;
}

function objectOf(space: Space, link: LinkEntry): ObservedObject | undefined {
  const { ifname: name, mtu, address: mac = '', master, linkinfo } = link;
  const settings = linkinfo?.info_data;
  if (linkinfo?.info_kind === 'bridge') {
    const object = observedObject(space, { kind: 'bridge', name, mtu, ...(space === 'host' ? { mac } : {}) });
    const recognisable = isOwnSpace(space) || keyOfAlias(link.ifalias) === object.key;
    return damagedIf(!recognisable || !isUp(link) || (settings?.vlan_default_pvid ?? 0) !== 0, object);
  }
  if (linkinfo?.info_kind !== 'vxlan') return undefined;
  if (space === 'host') return vtepOf(link);
  const object = observedObject(space, { kind: 'vxlan', name, vni: settings?.id ?? 0, port: settings?.port ?? 0, mtu, master: master ?? '' });
  const answers = settings?.learning === true && settings.proxy === true && settings.l2miss === true && settings.l3miss === true;
  // These cannot be set on a link that exists; without a body the plan makes it anew.
  return answers ? damagedIf(!isUp(link), object) : { key: object.key, hash: '', space, kind: 'vxlan' };
}

function vtepOf(link: LinkEntry): ObservedObject {
  const { ifname: name, mtu, address: mac = '', master, linkinfo } = link;
  const { id: vni = 0, port = 0, local = '', link: underlay = '', learning = false, gbp = false, ...more } = linkinfo?.info_data ?? {};
  const object = observedObject('host', { kind: 'flannel-vtep', name, vni, port, mtu, mac, local, underlay, learning, gbp });
  const { proxy, l2miss, l3miss, rsc, external, remote, group } = more;
  // These cannot be set on a link that exists; without a body the plan makes it anew.
  if ([proxy, l2miss, l3miss, rsc, external].includes(true) || remote !== undefined || group !== undefined)
    return { key: object.key, hash: '', space: 'host', kind: 'flannel-vtep' };
  return damagedIf(!isUp(link) || master !== undefined || keyOfAlias(link.ifalias) !== object.key, object);
}

function halfOf(space: Space, key: string | undefined, link: LinkEntry): VethHalf {
  return {
    space,
    key,
    name: link.ifname,
    master: link.master,
    mtu: link.mtu,
    mac: link.address ?? '',
    up: isUp(link),
    isolated: link.linkinfo?.info_slave_data?.isolated === true,
    index: link.ifindex,
    peerIndex: link.link_index ?? 0,
  };
}

function addressesOf(space: Space, { ifname: link, addr_info = [] }: LinkEntry): ObservedObject[] {
  const found = new Map<string, ObservedObject>();
  for (const { family, local, prefixlen } of addr_info) {
    if (family !== 'inet' || local === undefined || prefixlen === undefined) continue;
    const body: ObjectBody = { kind: 'address', link, address: local, prefixLength: prefixlen };
    const object = observedObject(space, body);
    // The same address with two prefix lengths: one of them is not what anybody wants.
    found.set(object.key, damagedIf(found.has(object.key), object));
  }
  return [...found.values()];
}

/**
 * One object for each pair, by the key in the alias. A pair of which only the first end was found has no body; one of
 * which only the other end was found has a body as seen from there, with `space` where it is. Both are damaged, so
 * they are made anew or removed from the end that is there.
 */
export function joinVeths(halves: readonly VethHalf[]): ObservedObject[] {
  const pairs = new Map<string, VethHalf[]>();
  for (const half of halves) {
    const key = half.key ?? keyOfUnfinished(half);
    if (key === undefined) continue;
    const known = pairs.get(key);
    if (known === undefined) pairs.set(key, [half]);
    else known.push(half);
  }
  return [...pairs].map(([key, ends]) => pairOf(key, ends));
}

/** The first end of a pair is on the host or in an overlay's namespace; the other is found missing there. */
function keyOfUnfinished({ space, name }: VethHalf): string | undefined {
  return space === 'host' || space.startsWith('own:1-') ? `veth/${space}/${name}` : undefined;
}

function pairOf(key: string, ends: readonly VethHalf[]): ObservedObject {
  const near = ends.find((end) => key === `veth/${end.space}/${end.name}`);
  const far = ends.find((end) => end !== near);
  if (near === undefined) return strayOf(key, ends);
  if (far === undefined) return { key, hash: '', space: near.space, kind: 'veth' };
  const object = observedObject(near.space, {
    kind: 'veth',
    name: near.name,
    ...(near.master === undefined ? {} : { master: near.master }),
    mtu: near.mtu,
    ...(near.isolated ? { isolated: true } : {}),
    peer: { space: far.space, name: far.name, mac: far.mac },
  });
  const joined = ends.length === 2 && near.key !== undefined && near.peerIndex === far.index && far.peerIndex === near.index;
  if (!joined) return { key, hash: '', space: near.space, kind: 'veth' };
  return damagedIf(!near.up || !far.up || near.mtu !== far.mtu || far.master !== undefined, object);
}

function strayOf(key: string, ends: readonly VethHalf[]): ObservedObject {
  const [end] = ends;
  const [, first = 'host', name = ''] = key.split('/');
  if (end === undefined) return { key, hash: '', space: 'host', kind: 'veth' };
  const peer = { space: first as Space, name, mac: '' };
  return { key, hash: '', space: end.space, kind: 'veth', body: { kind: 'veth', name: end.name, mtu: end.mtu, peer } };
}
