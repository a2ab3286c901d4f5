import { inNaturalOrder } from '../../../parts/natural.js';
import { type Compared, type Comparison, differs } from '../compared.js';

/** From top to bottom, as the study draws them: a packet to another host goes down. */
export const levels = ['endpoint', 'overlay', 'balancer', 'host'] as const;
export type Level = (typeof levels)[number];

/** The interface of a host by which it reaches the others. */
export interface Underlay {
  /** null: no agent has told it yet. */
  readonly link: string | null;
  readonly address: string;
  /** Bytes; null: no agent has told it yet. */
  readonly mtu: number | null;
}

/** A line of text with whether the kernel has what it says. */
export interface Note {
  readonly text: string;
  readonly comparison: Comparison;
}

export interface Device {
  readonly name: string;
  readonly kind: 'bridge' | 'tunnel' | 'pair' | 'underlay' | 'other';
  /** Bytes; null where nothing says it. */
  readonly mtu: number | null;
  /** Bridge that it is a port of. */
  readonly master: string | null;
  readonly comparison: Comparison;
  /** Addresses, VNI, and what is wrong with it. */
  readonly notes: readonly Note[];
  /** Where its line goes: `top` to what is drawn above its namespace. */
  readonly side: 'top' | 'bottom';
}

/** Objects of one kind, which the drawing counts: `2 marks`. */
export interface Count {
  readonly text: string;
  readonly isDifferent: boolean;
}

/** One network namespace. */
export interface Box {
  readonly space: string;
  readonly title: string;
  /** By which its file is found on the host; null for the host's own, and for those that are not ours. */
  readonly name: string | null;
  readonly level: Level;
  /** Of the namespace itself. */
  readonly comparison: Comparison;
  /** How many of its objects are not as wanted. */
  readonly differences: number;
  readonly devices: readonly Device[];
  readonly counts: readonly Count[];
}

export interface End {
  readonly space: string;
  readonly device: string;
}

/** A pair (veth) between two namespaces, or packets of a VTEP that leave by the underlay. */
export interface Line {
  readonly id: string;
  readonly kind: 'pair' | 'tunnel';
  /** The end that is drawn above. */
  readonly from: End;
  readonly to: End;
  readonly comparison: Comparison;
}

export interface Topology {
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
  /** Namespaces that are there and not drawn, for there are too many. */
  readonly left: Readonly<Record<'endpoint' | 'overlay', number>>;
}

export interface TopologyOptions {
  readonly underlay: Underlay;
  readonly titleOf: (space: string) => string;
  /** It is drawn, whatever else is not. */
  readonly chosen?: string;
  /** So many namespaces of a level at most. */
  readonly most?: Readonly<Record<'endpoint' | 'overlay', number>>;
}

const usualMost = { endpoint: 8, overlay: 8 } as const;

/** Addresses of one device that are written; more are counted. */
const MOST_ADDRESSES = 4;

export const comparisonWords: Readonly<Record<Comparison, string>> = {
  same: 'as wanted',
  missing: 'missing',
  different: 'different',
  unexpected: 'not wanted',
  unseen: 'not seen yet',
};

export function levelOf(space: string): Level {
  if (space === 'host') return 'host';
  if (space.startsWith('endpoint:')) return 'endpoint';
  return space.startsWith('own:1-') ? 'overlay' : 'balancer';
}

/** A kernel object as the drawing reads it; fields of other types than expected are left out. */
interface Read extends Compared {
  text(field: string): string | null;
  number(field: string): number | null;
  readonly peer: End | null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function readOf(object: Compared): Read {
  const body: unknown = object.wanted?.body ?? object.found?.body;
  const fields = isRecord(body) ? body : {};
  const peer = isRecord(fields.peer) ? fields.peer : {};
  return {
    ...object,
    text(field) {
      const value = fields[field];
      return typeof value === 'string' ? value : null;
    },
    number(field) {
      const value = fields[field];
      return typeof value === 'number' ? value : null;
    },
    peer: typeof peer.space === 'string' && typeof peer.name === 'string' ? { space: peer.space, device: peer.name } : null,
  };
}

/** The namespaces of a host with their devices, and what joins them. Pure; in an order that only the objects and titles decide. */
export function topologyOf(objects: readonly Compared[], { underlay, titleOf, chosen, most = usualMost }: TopologyOptions): Topology {
  const read = objects.map(readOf);
  // Of an endpoint there may be nothing but the end of a pair.
  const names = ['host', ...read.flatMap(({ space, peer }) => (peer === null ? [space] : [space, peer.space]))];
  const spaces = new Map(names.map((space): [string, Read[]] => [space, []]));
  for (const object of read) spaces.get(object.space)?.push(object);
  const { drawn, left } = chosenSpaces(spaces, { titleOf, chosen, most });
  const rank = new Map(drawn.map((space, index) => [space, index]));
  const lines = linesOf(read, underlay).filter(({ from, to }) => rank.has(from.space) && rank.has(to.space));
  const boxes = drawn.map((space) => {
    const own = spaces.get(space) ?? [];
    const first = own.find(({ kind }) => kind === 'namespace');
    return {
      space,
      title: titleOf(space),
      name: space.startsWith('own:') ? space.slice('own:'.length) : null,
      level: levelOf(space),
      comparison: first?.comparison ?? (own.some(({ comparison }) => comparison === 'unseen') ? 'unseen' : 'same'),
      differences: own.filter(differs).length,
      devices: devicesOf(space, { own, all: read, underlay, rank }),
      counts: countsOf(own),
    };
  });
  return { boxes, lines, left };
}

/** Spaces in the order in which they are drawn: by level, then by title; those in which something differs are not left out for others. */
function chosenSpaces(
  spaces: ReadonlyMap<string, readonly Read[]>,
  {
    titleOf,
    chosen,
    most,
  }: { readonly titleOf: TopologyOptions['titleOf']; readonly chosen: string | undefined; readonly most: typeof usualMost | Topology['left'] },
): { readonly drawn: readonly string[]; readonly left: Topology['left'] } {
  const byTitle = (one: string, other: string): number => inNaturalOrder(titleOf(one), titleOf(other)) || (one < other ? -1 : 1);
  const ailing = (space: string): number => (spaces.get(space)?.some(differs) === true ? 0 : 1);
  const ofLevel = (level: Level): string[] => [...spaces.keys()].filter((space) => levelOf(space) === level).sort(byTitle);
  const kept = (level: 'endpoint' | 'overlay'): readonly string[] => {
    const all = ofLevel(level);
    const urgency = (space: string): number => (space === chosen ? -1 : ailing(space));
    const held = new Set([...all].sort((one, other) => urgency(one) - urgency(other)).slice(0, most[level]));
    return all.filter((space) => held.has(space));
  };
  const endpoints = kept('endpoint');
  const overlays = kept('overlay');
  // A load balancer without its network would hang in the air.
  const served = new Set(
    overlays.flatMap((overlay) => (spaces.get(overlay) ?? []).flatMap(({ peer }) => (peer === null || levelOf(peer.space) !== 'balancer' ? [] : [peer.space]))),
  );
  const balancers = ofLevel('balancer').filter((space) => served.has(space) || space === chosen || overlays.length === ofLevel('overlay').length);
  return {
    drawn: [...endpoints, ...overlays, ...balancers, 'host'],
    left: { endpoint: ofLevel('endpoint').length - endpoints.length, overlay: ofLevel('overlay').length - overlays.length },
  };
}

const tunnelKinds: ReadonlySet<string> = new Set(['vxlan', 'flannel-vtep', 'udp-relay']);

function underlayName({ link }: Underlay): string {
  return link ?? 'underlay';
}

function linesOf(objects: readonly Read[], underlay: Underlay): readonly Line[] {
  const depth = ({ space }: End): number => levels.indexOf(levelOf(space));
  return objects.flatMap((object): Line[] => {
    const name = object.text('name');
    if (name === null) return [];
    const own: End = { space: object.space, device: name };
    if (object.kind === 'veth' && object.peer !== null) {
      const [from, to] = depth(own) <= depth(object.peer) ? [own, object.peer] : [object.peer, own];
      return [{ id: object.key, kind: 'pair', from, to, comparison: object.comparison }];
    }
    if (!tunnelKinds.has(object.kind)) return [];
    return [{ id: object.key, kind: 'tunnel', from: own, to: { space: 'host', device: underlayName(underlay) }, comparison: object.comparison }];
  });
}

interface Surroundings {
  readonly own: readonly Read[];
  readonly all: readonly Read[];
  readonly underlay: Underlay;
  /** Of each space that is drawn: which one it is from the left. */
  readonly rank: ReadonlyMap<string, number>;
}

/** Bridges first, then the others in the order of what their lines lead to, so that few lines cross. */
function devicesOf(space: string, { own, all, underlay, rank }: Surroundings): readonly Device[] {
  const devices = new Map<string, Device & { readonly order: number }>();
  const depth = levels.indexOf(levelOf(space));
  const add = (
    name: string,
    device: Pick<Device, 'kind' | 'mtu' | 'master' | 'comparison'> & { readonly said?: readonly string[]; readonly to?: string },
  ): void => {
    const { said = [], to, ...rest } = device;
    // The other end is drawn: a port of the bridge whose peer is left out is left out with it.
    if (to !== undefined && !rank.has(to)) return;
    const isDown = rest.kind === 'underlay' || (to !== undefined && (levels.indexOf(levelOf(to)) > depth || (rest.kind === 'tunnel' && space !== 'host')));
    const notes = [...said.map((text): Note => ({ text, comparison: 'same' })), ...addressesOf(own, name)];
    const wrong: Note[] = differs(rest) ? [{ text: comparisonWords[rest.comparison], comparison: rest.comparison }] : [];
    const order = rest.kind === 'bridge' ? -1 : to === undefined ? Number.MAX_SAFE_INTEGER : (rank.get(to) ?? 0);
    devices.set(name, { name, ...rest, notes: [...notes, ...wrong], side: isDown ? 'bottom' : 'top', order });
  };
  for (const object of own) {
    const name = object.text('name');
    if (name === null) continue;
    const base = { mtu: object.number('mtu'), master: object.text('master'), comparison: object.comparison };
    if (object.kind === 'bridge') add(name, { ...base, kind: 'bridge' });
    else if (object.kind === 'veth') add(name, { ...base, kind: 'pair', ...(object.peer === null ? {} : { to: object.peer.space }) });
    else if (tunnelKinds.has(object.kind)) add(name, { ...base, kind: 'tunnel', to: 'host', said: tunnelNotes(object) });
  }
  for (const object of all) {
    if (object.kind !== 'veth' || object.peer?.space !== space) continue;
    add(object.peer.device, { mtu: object.number('mtu'), master: null, comparison: object.comparison, kind: 'pair', to: object.space });
  }
  if (space === 'host') addHostDevices({ own, underlay, devices, add });
  for (const { kind, text } of own.map((object) => ({ kind: object.kind, text: object.text('link') }))) {
    if (kind === 'address' && text !== null && text !== 'lo' && !devices.has(text)) add(text, { mtu: null, master: null, comparison: 'same', kind: 'other' });
  }
  return [...devices.values()].sort((one, other) => one.order - other.order || (one.name < other.name ? -1 : 1)).map(({ order: _order, ...device }) => device);
}

/** The way out of the host, and bridges that others made and our pairs are ports of, such as cni0. */
function addHostDevices({
  own,
  underlay,
  devices,
  add,
}: Pick<Surroundings, 'own' | 'underlay'> & {
  readonly devices: ReadonlyMap<string, Device>;
  readonly add: (name: string, device: Pick<Device, 'kind' | 'mtu' | 'master' | 'comparison'> & { readonly said?: readonly string[] }) => void;
}): void {
  for (const master of new Set(own.map((object) => object.text('master')))) {
    if (master !== null && !devices.has(master)) add(master, { kind: 'bridge', mtu: null, master: null, comparison: 'same' });
  }
  add(underlayName(underlay), { kind: 'underlay', mtu: underlay.mtu, master: null, comparison: 'same', said: [underlay.address] });
}

function tunnelNotes(object: Read): readonly string[] {
  const vni = object.number('vni');
  const port = object.number('port');
  return [[vni === null ? '' : `VNI ${vni}`, port === null ? '' : `UDP ${port}`].filter((part) => part !== '').join(' · ')].filter((text) => text !== '');
}

/** What is wrong comes first, then subnets before single addresses: the device's own before VIPs. */
function addressesOf(own: readonly Read[], link: string): readonly Note[] {
  const addresses = own
    .filter((object) => object.kind === 'address' && object.text('link') === link)
    .map(({ comparison, text, number }) => {
      const address = `${text('address')}/${number('prefixLength')}`;
      const isSingle = address.endsWith('/32');
      return {
        text: differs({ comparison }) ? `${address} ${comparisonWords[comparison]}` : address,
        comparison,
        order: differs({ comparison }) ? 0 : isSingle ? 2 : 1,
      };
    })
    .sort((one, other) => one.order - other.order)
    .map(({ text, comparison }): Note => ({ text, comparison }));
  if (addresses.length <= MOST_ADDRESSES) return addresses;
  const further = addresses.slice(MOST_ADDRESSES - 1);
  return [...addresses.slice(0, MOST_ADDRESSES - 1), { text: `and ${further.length} more`, comparison: further.find(differs)?.comparison ?? 'same' }];
}

const countedKinds: readonly (readonly [kind: string, one: string, many: string])[] = [
  ['mark', 'mark', 'marks'],
  ['virtual-server', 'virtual server', 'virtual servers'],
  ['real-server', 'real server', 'real servers'],
  ['port-forward', 'published port', 'published ports'],
  ['port-redirect', 'redirect', 'redirects'],
  ['fdb', 'FDB entry', 'FDB entries'],
  ['neighbour', 'neighbour', 'neighbours'],
  ['route', 'route', 'routes'],
];

function countsOf(own: readonly Read[]): readonly Count[] {
  return countedKinds.flatMap(([kind, one, many]): Count[] => {
    const found = own.filter((object) => object.kind === kind);
    if (found.length === 0) return [];
    const wrong = found.filter(differs).length;
    return [
      { text: `${found.length} ${found.length === 1 ? one : many}${wrong === 0 ? '' : ` (${wrong} differ${wrong === 1 ? 's' : ''})`}`, isDifferent: wrong > 0 },
    ];
  });
}
