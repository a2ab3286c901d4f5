import { dataPlaneSnapshot, largeSnapshot, sampleSnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { type PlacedBox, placedBox, type Rectangle } from '../src/pages/nodes/drawing/geometry.js';
import { pathOf, placed } from '../src/pages/nodes/drawing/layout.js';
import { type Box, levels, type Topology } from '../src/pages/nodes/drawing/topology.js';
import { drawn, objectsOf } from './drawn-node.js';

const boxOf = ({ boxes }: Topology, title: string): Box => {
  const found = boxes.find((box) => box.title === title);
  if (found === undefined) throw new Error(`no box ${title} among ${boxes.map((box) => box.title).join(', ')}`);
  return found;
};
/** `NAME of TITLE to NAME of TITLE`, of each line. */
const joined = ({ lines, boxes }: Topology): string[] => {
  const titles = new Map(boxes.map(({ space, title }) => [space, title]));
  return lines.map(({ kind, from, to }) => `${kind} ${from.device} of ${titles.get(from.space)} to ${to.device} of ${titles.get(to.space)}`);
};
const notes = (box: Box, device: string): string[] => (box.devices.find(({ name }) => name === device)?.notes ?? []).map(({ text }) => text);

describe('what is drawn of the seed example', () => {
  const topology = drawn(sampleSnapshot(), 'node1');

  it('is a box for each namespace, from the endpoints down to the host', () => {
    expect(topology.boxes.map(({ level, title }) => `${level} ${title}`)).toEqual([
      'endpoint bjdt_bjdt-dzwl-web.1',
      'endpoint bjdt_bjdt-dzwl.1',
      'overlay own:1-5mckih8b5z',
      'overlay own:1-t17rqrj45u',
      'balancer own:ingress_sbox',
      'balancer own:lb_5mckih8b5',
      'host host',
    ]);
    expect(topology.left).toEqual({ endpoint: 0, overlay: 0 });
  });

  it('joins them as the study does: endpoints and load balancer to br0, the sandbox to the ingress overlay and the gateway bridge', () => {
    expect(joined(topology).sort()).toEqual(
      [
        'pair ov4096 of bjdt_bjdt-dzwl-web.1 to veth0aff0009 of own:1-t17rqrj45u',
        'pair ov4096 of bjdt_bjdt-dzwl.1 to veth0aff0006 of own:1-t17rqrj45u',
        'pair ov4097 of bjdt_bjdt-dzwl-web.1 to veth0a000009 of own:1-5mckih8b5z',
        'pair ov4097 of bjdt_bjdt-dzwl.1 to veth0a000006 of own:1-5mckih8b5z',
        'pair veth-lb of own:1-5mckih8b5z to eth0 of own:lb_5mckih8b5',
        'pair veth-lb of own:1-t17rqrj45u to eth0 of own:ingress_sbox',
        'pair eth1 of own:ingress_sbox to ptl_ingress of host',
        'pair ptl_gw of bjdt_bjdt-dzwl-web.1 to ptl_c0a8f004 of host',
        'pair ptl_gw of bjdt_bjdt-dzwl.1 to ptl_c0a8f003 of host',
        'tunnel vxlan0 of own:1-5mckih8b5z to eth1 of host',
        'tunnel vxlan0 of own:1-t17rqrj45u to eth1 of host',
      ].sort(),
    );
  });

  it('has devices with their addresses, the VNI of a VTEP, the ports of a bridge, and no lo', () => {
    const overlay = boxOf(topology, 'own:1-5mckih8b5z');
    expect(overlay.devices.map(({ name, master, mtu, side }) => [name, master, mtu, side])).toEqual([
      ['br0', null, 1450, 'top'],
      ['veth0a000009', 'br0', 1450, 'top'],
      ['veth0a000006', 'br0', 1450, 'top'],
      ['veth-lb', 'br0', 1450, 'bottom'],
      ['vxlan0', 'br0', 1450, 'bottom'],
    ]);
    expect(notes(overlay, 'vxlan0')).toEqual(['VNI 4097 · UDP 4789']);
    expect(notes(overlay, 'br0')).toEqual(['10.0.0.1/24']);
    expect(notes(boxOf(topology, 'own:lb_5mckih8b5'), 'eth0')).toEqual(['10.0.0.3/24', '10.0.0.2/32', '10.0.0.20/32']);
    expect(notes(boxOf(topology, 'host'), 'eth1')).toEqual(['172.16.130.140']);
    expect(topology.boxes.flatMap(({ devices }) => devices).filter(({ name }) => name === 'lo')).toEqual([]);
  });

  it('counts what else there is', () => {
    expect(boxOf(topology, 'own:lb_5mckih8b5').counts.map(({ text }) => text)).toEqual(
      expect.arrayContaining(['2 marks', '2 virtual servers', '5 real servers']),
    );
  });
});

describe('what is not in the kernel as wanted', () => {
  const pair = 'veth/own:1-5mckih8b5z/veth-lb';
  const topology = drawn(sampleSnapshot(), 'node1', {
    [pair]: 'missing',
    'address/own:lb_5mckih8b5/eth0/10.0.0.20': 'missing',
    'mark/own:lb_5mckih8b5/input/10.0.0.20': 'missing',
    'vxlan/own:1-5mckih8b5z/vxlan0': 'different',
    'namespace/own:ingress_sbox': 'missing',
  });

  it('is marked at both ends of a pair and on its line', () => {
    const ends = [boxOf(topology, 'own:1-5mckih8b5z'), boxOf(topology, 'own:lb_5mckih8b5')].map(
      ({ devices }) => devices.find(({ name }) => name === 'veth-lb' || name === 'eth0')?.comparison,
    );
    expect(ends).toEqual(['missing', 'missing']);
    expect(topology.lines.filter(({ comparison }) => comparison !== 'same').map(({ id }) => id)).toEqual(['vxlan/own:1-5mckih8b5z/vxlan0', pair]);
  });

  it('is said in words: of devices, of addresses (first), of what is counted, of namespaces', () => {
    const balancer = boxOf(topology, 'own:lb_5mckih8b5');
    expect(notes(balancer, 'eth0')).toEqual(['10.0.0.20/32 missing', '10.0.0.3/24', '10.0.0.2/32', 'missing']);
    expect(balancer.counts.filter(({ isDifferent }) => isDifferent).map(({ text }) => text)).toEqual(['2 marks (1 differs)']);
    expect(balancer.differences).toBe(2);
    expect(notes(boxOf(topology, 'own:1-5mckih8b5z'), 'vxlan0')).toEqual(['VNI 4097 · UDP 4789', 'different']);
    expect(boxOf(topology, 'own:ingress_sbox').comparison).toBe('missing');
  });
});

describe('a host with flannel', () => {
  it('has the bridge of pods, which others may have made, and the VTEP above the underlay', () => {
    const host = boxOf(drawn(dataPlaneSnapshot(), 'node1'), 'host');
    expect(host.devices.filter(({ kind }) => kind === 'bridge').map(({ name }) => name)).toEqual(['cni0', 'ptl_gwbridge']);
    expect(host.devices.filter(({ master }) => master === 'cni0').map(({ name }) => name)).toEqual(['ptl_0af401c4']);
    expect(host.devices.filter(({ kind }) => kind === 'tunnel').map(({ name }) => name)).toEqual(['flannel.1']);
    expect(placedBox(host).inner).not.toBeNull();
  });
});

describe('a host with more than can be drawn', () => {
  const snapshot = dataPlaneSnapshot();
  const most = { endpoint: 2, overlay: 2 };
  const endpoints = drawn(snapshot, 'node1').boxes.filter(({ level }) => level === 'endpoint');
  const last = endpoints.at(-1)?.space ?? '';

  it('leaves namespaces out, says how many, and draws no line to nothing', () => {
    const topology = drawn(snapshot, 'node1', {}, { most });
    expect(topology.left).toEqual({ endpoint: endpoints.length - 2, overlay: 4 });
    const names = new Set(topology.boxes.flatMap(({ space, devices }) => devices.map(({ name }) => `${space} ${name}`)));
    for (const { from, to } of topology.lines) for (const { space, device } of [from, to]) expect(names).toContain(`${space} ${device}`);
    expect(topology.boxes.filter(({ level }) => level === 'overlay')).toHaveLength(2);
  });

  it('leaves out neither what is chosen nor that in which something is wrong', () => {
    expect(drawn(snapshot, 'node1', {}, { most }).boxes.map(({ space }) => space)).not.toContain(last);
    expect(drawn(snapshot, 'node1', {}, { most, chosen: last }).boxes.map(({ space }) => space)).toContain(last);
    const key = objectsOf(snapshot, 'node1').find(({ space }) => space === last)?.key ?? '';
    expect(drawn(snapshot, 'node1', { [key]: 'missing' }, { most }).boxes.map(({ space }) => space)).toContain(last);
  });
});

const overlap = (one: Rectangle, other: Rectangle): boolean =>
  one.x < other.x + other.width && other.x < one.x + one.width && one.y < other.y + other.height && other.y < one.y + one.height;

const large = largeSnapshot({ nodes: 4, networks: 12, services: 60, endpointsPerService: 3, publishedServices: 10 });
describe.each([
  ['bjdt', drawn(sampleSnapshot(), 'node1')],
  ['bjdt with faults', drawn(sampleSnapshot(), 'node1', { 'veth/own:1-5mckih8b5z/veth-lb': 'missing', 'bridge/own:1-5mckih8b5z/br0': 'different' })],
  ['data-plane', drawn(dataPlaneSnapshot(), 'node1')],
  ['a large one', drawn(large, [...large.nodes.values()][0]?.name ?? '')],
])('the drawing of %s', (_name, topology) => {
  const boxes: readonly PlacedBox[] = topology.boxes.map(placedBox);

  it('has devices and words inside their namespace, none over another', () => {
    for (const { box, width, height, devices, text } of boxes) {
      const parts = [...devices.map((device) => ({ ...device, part: device.name })), { ...text, part: 'words' }];
      for (const [index, one] of parts.entries()) {
        expect([box.title, one.part, one.x >= 0 && one.y >= 0 && one.x + one.width <= width && one.y + one.height <= height]).toEqual([
          box.title,
          one.part,
          true,
        ]);
        for (const other of parts.slice(index + 1))
          expect([box.title, one.part, other.part, overlap(one, other)]).toEqual([box.title, one.part, other.part, false]);
      }
    }
  });

  it('has every namespace below those of the level above, and a path for each line from device to device', async () => {
    const { places, paths } = await placed(topology, boxes);
    const at = (space: string) => {
      const own = boxes.find(({ box }) => box.space === space);
      const place = places.get(space);
      if (own === undefined || place === undefined) throw new Error(`${space} has no place`);
      return { ...own, ...place };
    };
    const bounds = levels.map((level) => boxes.filter(({ box }) => box.level === level).map(({ box }) => at(box.space)));
    bounds.slice(1).forEach((own, index) => {
      const above = bounds[index] ?? [];
      for (const { y } of own) for (const upper of above) expect(y).toBeGreaterThan(upper.y + upper.height);
    });
    for (const { id, from, to } of topology.lines) {
      if (from.space === to.space) continue;
      const path = paths.get(id) ?? [];
      const ends = [
        [from, path[0]],
        [to, path.at(-1)],
      ] as const;
      for (const [end, point] of ends) {
        const box = at(end.space);
        const device = box.devices.find(({ name }) => name === end.device);
        if (device === undefined || point === undefined) throw new Error(`${id} ends nowhere`);
        const [left, top] = [box.x + device.x, box.y + device.y];
        expect(point.x).toBeGreaterThanOrEqual(left);
        expect(point.x).toBeLessThanOrEqual(left + device.width);
        expect([top, top + device.height].some((edge) => Math.abs(edge - point.y) < 0.01)).toBe(true);
      }
      // Straight up, down or across, and drawn.
      path.slice(1).forEach((point, index) => {
        expect(Math.min(Math.abs(point.x - (path[index]?.x ?? 0)), Math.abs(point.y - (path[index]?.y ?? 0)))).toBeLessThan(0.01);
      });
      expect(pathOf(path)).toMatch(/^M[\d.]+,[\d.]+ /);
    }
  });
});
