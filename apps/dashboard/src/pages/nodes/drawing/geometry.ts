import { differs } from '../compared.js';
import type { Box, Count, Device } from './topology.js';

/** Pixels, from the upper left corner of the namespace. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface PlacedDevice extends Device, Rectangle {}

/** Where a line meets the edge of a namespace, and how far inside its device begins. */
export interface Port {
  readonly device: string;
  readonly kind: 'pair' | 'tunnel';
  readonly side: 'top' | 'bottom';
  readonly x: number;
  /** Pixels between the edge and the device. */
  readonly depth: number;
}

export interface PlacedBox {
  readonly box: Box;
  readonly width: number;
  readonly height: number;
  readonly devices: readonly PlacedDevice[];
  readonly text: Rectangle;
  /** Counts, broken into lines. */
  readonly counts: readonly (readonly Count[])[];
  readonly ports: readonly Port[];
  /** From a VTEP of the host to the underlay, inside of the box. */
  readonly inner: { readonly x: number; readonly from: number; readonly to: number; readonly comparison: Device['comparison'] } | null;
}

const PADDING = 10;
const GAP = 8;
const NAME_HEIGHT = 20;
const NOTE_HEIGHT = 15;
const BAR_HEIGHT = 24;
const TITLE_HEIGHT = 20;
/** Width of a letter: of names and notes (both monospaced), titles and counts. */
const letter = { name: 6.7, note: 6.4, title: 7.6, count: 5.9 } as const;
/** Letters in a line of counts. */
const MOST_LETTERS = 34;

function mtuText({ mtu }: Device): string {
  return mtu === null ? '' : `MTU ${mtu}`;
}

function sizeOf(device: Device): { readonly width: number; readonly height: number } {
  const mtu = mtuText(device);
  if (device.kind === 'bridge') {
    const letters = [device.name, mtu, ...device.notes.map(({ text }) => text)].join('   ').length;
    return { width: Math.ceil(letters * letter.name) + 20, height: BAR_HEIGHT };
  }
  const first = device.name.length * letter.name + (mtu === '' ? 0 : (mtu.length + 1) * letter.note);
  const width = Math.max(first, ...device.notes.map(({ text }) => text.length * letter.note));
  return { width: Math.ceil(width) + 16, height: NAME_HEIGHT + device.notes.length * NOTE_HEIGHT + (device.notes.length > 0 ? 3 : 0) };
}

/** Devices beside each other from `x` on; they stand on one line at the bottom, or hang from one at the top. */
function row(devices: readonly Device[], x: number, y: number, hang: 'top' | 'bottom'): readonly PlacedDevice[] {
  const height = Math.max(0, ...devices.map((device) => sizeOf(device).height));
  let at = x;
  return devices.map((device) => {
    const size = sizeOf(device);
    const placed = { ...device, x: at, y: hang === 'top' ? y : y + height - size.height, ...size };
    at += size.width + GAP;
    return placed;
  });
}

const rowWidth = (devices: readonly Device[]): number =>
  devices.reduce((sum, device) => sum + sizeOf(device).width + GAP, 0) - (devices.length === 0 ? 0 : GAP);
const rowHeight = (devices: readonly Device[]): number => Math.max(0, ...devices.map((device) => sizeOf(device).height));

function broken(counts: readonly Count[]): readonly (readonly Count[])[] {
  const lines: Count[][] = [];
  for (const count of counts) {
    const last = lines.at(-1);
    const letters = (last ?? []).reduce((sum, { text }) => sum + text.length + 3, 0);
    if (last === undefined || letters + count.text.length > MOST_LETTERS) lines.push([count]);
    else last.push(count);
  }
  return lines;
}

/**
 * Where everything in a namespace is. Devices whose lines go up are at the top, bridges below their ports, those whose lines go down at the
 * bottom right; an endpoint has its words above its devices. The host's underlay has a column of its own at the right, below flannel's device.
 */
export function placedBox(box: Box): PlacedBox {
  const counts = broken(box.counts);
  const words = [
    box.title.length * letter.title + (box.differences === 0 && !differs(box) ? 0 : 90),
    (box.name?.length ?? 0) * letter.note,
    ...counts.map((line) => line.map(({ text }) => text).join(' · ').length * letter.count),
  ];
  const text = { width: Math.ceil(Math.max(...words)), height: TITLE_HEIGHT + (box.name === null ? 0 : NOTE_HEIGHT) + counts.length * NOTE_HEIGHT };
  const inner = box.devices.filter(({ kind }) => kind !== 'bridge');
  const bottoms = inner.filter(({ side }) => side === 'bottom');
  if (box.level === 'endpoint') {
    const width = Math.max(text.width, rowWidth(inner)) + 2 * PADDING;
    const y = PADDING + text.height + 6;
    const devices = row(inner, PADDING, y, 'bottom');
    const height = y + rowHeight(inner) + PADDING;
    return { box, width, height, devices, counts, text: { x: PADDING, y: PADDING, ...text }, ports: portsOf(devices, height), inner: null };
  }
  const isHost = box.level === 'host';
  const tunnels = isHost ? inner.filter(({ kind }) => kind === 'tunnel') : [];
  const tops = inner.filter((device) => device.side === 'top' && !tunnels.includes(device));
  const bridges = box.devices.filter(({ kind }) => kind === 'bridge');
  const groups = [
    ...bridges.map((bridge) => ({ bridge, ports: tops.filter(({ master }) => master === bridge.name) })),
    ...tops.filter(({ master }) => !bridges.some(({ name }) => name === master)).map((device) => ({ bridge: undefined, ports: [device] })),
  ];
  const portHeight = Math.max(0, ...groups.filter(({ bridge }) => bridge !== undefined).map(({ ports }) => rowHeight(ports)));
  const groupWidths = groups.map(({ bridge, ports }) => Math.max(rowWidth(ports), bridge === undefined ? 0 : sizeOf(bridge).width));
  const groupsWidth = groupWidths.reduce((sum, width) => sum + width + 2 * GAP, 0) - (groups.length === 0 ? 0 : 2 * GAP);
  const column = isHost ? Math.max(rowWidth(bottoms), rowWidth(tunnels) + 56) : 0;
  const lower = isHost ? text.width : text.width + 2 * GAP + rowWidth(bottoms);
  const content = Math.max(groupsWidth, lower);
  const width = content + (isHost ? 3 * GAP + column : 0) + 2 * PADDING;

  const devices: PlacedDevice[] = [];
  let x = PADDING;
  let bottom = PADDING;
  groups.forEach(({ bridge, ports }, index) => {
    // The only bridge of a namespace is as wide as that, so that what hangs from it does.
    const wide = groups.length === 1 && !isHost ? content : (groupWidths[index] ?? 0);
    devices.push(...row(ports, x, PADDING + (bridge === undefined ? 0 : portHeight - rowHeight(ports)), bridge === undefined ? 'top' : 'bottom'));
    if (bridge !== undefined) devices.push({ ...bridge, x, y: PADDING + portHeight, width: wide, height: BAR_HEIGHT });
    bottom = Math.max(bottom, PADDING + (bridge === undefined ? rowHeight(ports) : portHeight + BAR_HEIGHT));
    x += wide + 2 * GAP;
  });
  const beside = isHost ? rowHeight(tunnels) + 22 + rowHeight(bottoms) : 0;
  const hangs = bottoms.some(({ master }) => master !== null);
  const textY = bottom + 7;
  const height = Math.max(textY + text.height + PADDING, PADDING + beside + PADDING, bottom + rowHeight(bottoms) + PADDING);
  const bottomY = hangs ? bottom : height - PADDING - rowHeight(bottoms);
  const bottomX = width - PADDING - (isHost ? column : rowWidth(bottoms));
  const lowest = row(bottoms, bottomX, bottomY, hangs ? 'top' : 'bottom').map((device) => (isHost ? { ...device, width: column } : device));
  const upper = row(tunnels, bottomX, PADDING, 'top');
  devices.push(...upper, ...lowest);
  const [tunnel] = upper;
  return {
    ...{ box, width, height, devices, counts },
    text: { x: PADDING, y: textY, ...text },
    ports: portsOf(devices, height),
    inner:
      tunnel === undefined || lowest[0] === undefined
        ? null
        : { x: tunnel.x + tunnel.width / 2, from: tunnel.y + tunnel.height, to: lowest[0].y, comparison: tunnel.comparison },
  };
}

function portsOf(devices: readonly PlacedDevice[], height: number): readonly Port[] {
  return devices.flatMap(({ name, kind, side, x, y, width, height: own }): Port[] => {
    if (kind === 'bridge' || kind === 'other') return [];
    // Packets of VTEPs come from above, past flannel's device, which is at the left of the column.
    if (kind === 'underlay') return [{ device: name, kind: 'tunnel', side: 'top', x: x + width - 20, depth: y }];
    return [{ device: name, kind, side, x: x + width / 2, depth: side === 'top' ? y : height - y - own }];
  });
}
