import { type KernelObject, kernelObject, type NodeState, nodeState, type ObjectBody, observedObject, observedState, type Space } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { asFound, dependentsOf, diffNodeState, heldBack, neededFrom } from '../src/index.js';

const MAC = '02:42:0a:00:00:07';
const objectsIn = (space: Space, ...bodies: readonly ObjectBody[]): KernelObject[] =>
  bodies.map((body) => kernelObject(space, body, { computedBy: 'overlay' }));

function stateOf(...objects: readonly KernelObject[]): NodeState {
  return nodeState({ cluster: '', node: '', address: '192.0.2.1', endpoints: {}, watch: { probes: {}, nodes: {}, draining: [] }, objects });
}

function holding(...objects: readonly KernelObject[]) {
  return observedState(
    objects.map(({ space, body }) => observedObject(space, body)),
    {},
    [],
  );
}

/** Of these objects those that are set aside with the named ones, without these. */
function besides(objects: readonly KernelObject[], ...keys: readonly string[]): string[] {
  return [...dependentsOf(keys, objects)].filter((key) => !keys.includes(key)).sort();
}

describe('what rests on an object', () => {
  const overlay = objectsIn(
    'own:1-net',
    { kind: 'namespace' },
    { kind: 'bridge', name: 'br0', mtu: 1450 },
    { kind: 'vxlan', name: 'vxlan0', vni: 4097, port: 4789, mtu: 1450, master: 'br0' },
    { kind: 'neighbour', link: 'vxlan0', address: '10.0.0.7', mac: MAC },
    { kind: 'fdb', link: 'vxlan0', mac: MAC, vtep: '192.0.2.7' },
  );

  it('is all in a namespace, and what is on a link or led by it', () => {
    expect(besides(overlay, 'namespace/own:1-net')).toHaveLength(4);
    expect(besides(overlay, 'bridge/own:1-net/br0')).toEqual([`fdb/own:1-net/vxlan0/${MAC}`, 'neighbour/own:1-net/vxlan0/10.0.0.7', 'vxlan/own:1-net/vxlan0']);
    expect(besides(overlay, 'neighbour/own:1-net/vxlan0/10.0.0.7')).toEqual([]);
  });

  it('is the route to a peer whose neighbour or forwarding entry is not there, and no other', () => {
    const peers = objectsIn(
      'host',
      { kind: 'neighbour', link: 'flannel.1', address: '10.244.2.0', mac: MAC },
      { kind: 'fdb', link: 'flannel.1', mac: MAC, vtep: '192.0.2.7' },
      { kind: 'route', destination: '10.244.2.0/24', via: '10.244.2.0', link: 'flannel.1', onlink: true },
      { kind: 'route', destination: '10.244.3.0/24', via: '10.244.3.0', link: 'flannel.1', onlink: true },
    );
    expect(besides(peers, `fdb/host/flannel.1/${MAC}`)).toEqual(['neighbour/host/flannel.1/10.244.2.0', 'route/host/10.244.2.0/24']);
  });

  it('is the mark of a virtual server, its real servers, and a name that leads nowhere else', () => {
    const space = 'own:lb_x';
    const objects = [
      ...objectsIn(
        space,
        { kind: 'virtual-server', mark: 256, scheduler: 'rr' },
        { kind: 'real-server', mark: 256, address: '10.0.0.7', forwarding: 'masquerade', weight: 1 },
        { kind: 'mark', match: { stage: 'input', destination: '10.0.0.2' }, mark: 256 },
        { kind: 'virtual-server', mark: 257, scheduler: 'rr' },
        { kind: 'mark', match: { stage: 'input', destination: '10.0.0.3' }, mark: 257 },
      ),
      ...objectsIn(
        'host',
        { kind: 'dns-name', network: 'app', name: 'web', addresses: ['10.0.0.2'] },
        { kind: 'dns-name', network: 'app', name: 'both', addresses: ['10.0.0.2', '10.0.0.3'] },
        { kind: 'dns-name', network: 'app', name: 'none', addresses: [] },
      ),
    ];
    expect(besides(objects, 'virtual-server/own:lb_x/256')).toEqual([
      'dns-name/host/app/web',
      'mark/own:lb_x/input/10.0.0.2',
      'real-server/own:lb_x/256/10.0.0.7',
    ]);
  });

  it('is asked the other way round, too', () => {
    const [namespace, bridge, vtep, neighbour] = overlay;
    if (neighbour === undefined) throw new Error('no neighbour');
    expect(neededFrom([neighbour], overlay).map(({ key }) => key)).toEqual([namespace?.key, vtep?.key, `fdb/own:1-net/vxlan0/${MAC}`]);
    expect(neededFrom([], overlay)).toEqual([]);
    expect(bridge?.body.kind).toBe('bridge');
  });
});

describe('keys that are taken as they were found', () => {
  it('have no step, whatever was found', () => {
    const [same, other, missing, wanted] = objectsIn(
      'host',
      { kind: 'sysctl', name: 'net.ipv4.ip_forward', value: '1' },
      { kind: 'bridge', name: 'cni0', mtu: 1450 },
      { kind: 'bridge', name: 'cni1', mtu: 1450 },
      { kind: 'bridge', name: 'cni2', mtu: 1450 },
    );
    const [small, stray] = objectsIn('host', { kind: 'bridge', name: 'cni0', mtu: 1400 }, { kind: 'bridge', name: 'ptl_x', mtu: 1400 });
    if (same === undefined || other === undefined || missing === undefined || wanted === undefined || small === undefined || stray === undefined)
      throw new Error();
    const { observed, desired } = asFound(holding(same, small, stray), stateOf(same, other, missing, wanted), new Set([other.key, missing.key, stray.key]));
    expect(diffNodeState(observed, desired).steps.map((step) => step.action === 'create' && step.object.key)).toEqual([wanted.key]);
  });
});

describe('what is held back', () => {
  const link: ObjectBody = {
    kind: 'flannel-vtep',
    name: 'flannel.1',
    vni: 1,
    port: 8472,
    mtu: 1450,
    mac: '02:42:0a:f4:01:00',
    local: '192.0.2.1',
    underlay: 'eth0',
    learning: false,
    gbp: false,
  };
  const peer = (mac: string, n: number): ObjectBody[] => [
    { kind: 'neighbour', link: 'flannel.1', address: `10.244.${n}.0`, mac },
    { kind: 'fdb', link: 'flannel.1', mac, vtep: `192.0.2.${n}` },
  ];
  const byVxlan = (n: number): ObjectBody => ({ kind: 'route', destination: `10.244.${n}.0/24`, via: `10.244.${n}.0`, link: 'flannel.1', onlink: true });
  const byHost = (n: number): ObjectBody => ({ kind: 'route', destination: `10.244.${n}.0/24`, via: `192.0.2.${n}`, link: 'eth0' });
  const OTHER = '02:42:0a:00:00:08';

  it('is the old way of a route that could not be led elsewhere, and not that of another', () => {
    const observed = holding(...objectsIn('host', link, ...peer(MAC, 2), ...peer(OTHER, 3), byVxlan(2), byVxlan(3)));
    const desired = stateOf(...objectsIn('host', byHost(2), byHost(3)));
    const { steps } = diffNodeState(observed, desired);
    const held = heldBack(steps, new Set(['route/host/10.244.2.0/24']), observed);
    expect([...held].sort()).toEqual(['flannel-vtep/host/flannel.1']);
    const staying = stateOf(...objectsIn('host', link, byHost(2), byHost(3)));
    const peers = heldBack(diffNodeState(observed, staying).steps, new Set(['route/host/10.244.2.0/24']), observed);
    expect([...peers].sort()).toEqual([`fdb/host/flannel.1/${MAC}`, 'neighbour/host/flannel.1/10.244.2.0']);
  });

  it('are the servers of a namespace whose packets could not be led elsewhere, but no backend that left', () => {
    const space = 'own:lb_x';
    const rs = (mark: number, n: number): ObjectBody => ({ kind: 'real-server', mark, address: `10.0.0.${n}`, forwarding: 'masquerade', weight: 1 });
    const marks = (mark: number): ObjectBody => ({ kind: 'mark', match: { stage: 'input', destination: '10.0.0.2' }, mark });
    const vs = (mark: number): ObjectBody => ({ kind: 'virtual-server', mark, scheduler: 'rr' });
    const observed = holding(...objectsIn(space, vs(1), rs(1, 7), marks(1), vs(3), rs(3, 8), rs(3, 9)));
    const desired = stateOf(...objectsIn(space, vs(2), rs(2, 7), marks(2), vs(3), rs(3, 8)));
    const { steps } = diffNodeState(observed, desired);
    expect([...heldBack(steps, new Set(['mark/own:lb_x/input/10.0.0.2']), observed)]).toEqual(['virtual-server/own:lb_x/1']);
    expect(heldBack(steps, new Set(['real-server/own:lb_x/2/10.0.0.7']), observed).size).toBe(0);
  });
});
