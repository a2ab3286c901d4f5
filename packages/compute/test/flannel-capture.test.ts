import { describe, expect, it } from 'vitest';
import { type Captured, captured, capturedLines, capturedLinks, capturedSnapshot } from './flannel-captures.js';
import { fileOf, routesOf } from './flannel-samples.js';
import { bodies, bodyOf, keys, stateOf, sysctls } from './states.js';

describe.each<Captured>(['vxlan', 'host-gw', 'udp'])('%s is what flanneld made of the same leases:', (backend) => {
  const state = stateOf(capturedSnapshot(backend), 'n1');
  const ofFlannel = (line: string): boolean => line.includes('flannel') || line.includes(' 10.5.');

  it('the device, field by field', () => {
    const vteps = bodies(state, 'flannel-vtep', 'host').map(({ name, mtu, mac, vni, local, underlay, port, learning }) => ({
      ifname: name,
      mtu,
      address: mac,
      id: vni,
      local,
      link: underlay,
      port,
      learning,
    }));
    const relays = bodies(state, 'udp-relay', 'host').map(({ name, mtu }) => ({ ifname: name, mtu }));
    const wanted = capturedLinks(backend).map(({ ifname, mtu, address, linkinfo }) => {
      const { id, local, link, port, learning } = linkinfo?.info_data ?? {};
      return id === undefined ? { ifname, mtu } : { ifname, mtu, address, id, local, link, port, learning };
    });
    expect([...vteps, ...relays]).toEqual(wanted);
    expect(wanted).toHaveLength(backend === 'host-gw' ? 0 : 1);
  });

  it('its address', () => {
    const own = bodies(state, 'address', 'host').filter(({ link }) => link !== 'cni0');
    expect(own.map((a) => `inet ${a.address}/${a.prefixLength} scope global ${a.link}`)).toEqual(
      capturedLines(backend, 'addresses.txt', (line) => ofFlannel(line) && line.includes('inet')),
    );
  });

  it('routes', () => {
    const routes = capturedLines(backend, 'routes.txt', ofFlannel);
    expect(routesOf(state)).toEqual(routes);
    expect(routes).toHaveLength(1);
  });

  it('neighbours and forwarding entries', () => {
    const neighbours = bodies(state, 'neighbour', 'host').map(({ link, address, mac }) => `${address} dev ${link} lladdr ${mac} PERMANENT`);
    expect(neighbours).toEqual(capturedLines(backend, 'neighbours.txt', ofFlannel));
    const entries = bodies(state, 'fdb', 'host').map(({ link, mac, vtep }) => `${mac} dev ${link} dst ${vtep} self permanent`);
    expect(entries).toEqual(capturedLines(backend, 'fdb.txt', ofFlannel));
    expect(entries).toHaveLength(backend === 'vxlan' ? 1 : 0);
  });

  it('subnet.env, byte for byte', () => {
    expect(fileOf(state, '/run/flannel/subnet.env')).toBe(captured(backend, 'subnet.env'));
  });

  it('what its two chains say', () => {
    const [{ network: letThrough } = { network: '' }] = bodies(state, 'pod-forward', 'host');
    const [{ network, subnet } = { network: '', subnet: '' }] = bodies(state, 'pod-masquerade', 'host');
    const rules = [
      `-A FLANNEL-FWD -s ${letThrough} -j ACCEPT`,
      `-A FLANNEL-FWD -d ${letThrough} -j ACCEPT`,
      '-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -j RETURN',
      `-A FLANNEL-POSTRTG -s ${subnet} -d ${network} -j RETURN`,
      `-A FLANNEL-POSTRTG -s ${network} -d ${subnet} -j RETURN`,
      `-A FLANNEL-POSTRTG ! -s ${network} -d ${subnet} -j RETURN`,
      `-A FLANNEL-POSTRTG -s ${network} ! -d 224.0.0.0/4 -j MASQUERADE --random-fully`,
      `-A FLANNEL-POSTRTG ! -s ${network} -d ${network} -j MASQUERADE --random-fully`,
    ];
    const theirs = capturedLines(backend, 'rules.txt', (line) => line.startsWith('-A FLANNEL-')).map((line) => line.replace(/-m comment --comment ".*?" /, ''));
    expect(theirs).toEqual(rules);
    expect(keys(state, 'rule-entry/')).toEqual(['rule-entry/host/filter/forward', 'rule-entry/host/nat/postrouting']);
  });

  it('no sysctl but its own, and forwarding, which flannel leaves to others', () => {
    const own = backend === 'vxlan' ? ['net.ipv6.conf.flannel/1.accept_ra = 0'] : [];
    expect(sysctls(state, 'host')).toEqual(['net.ipv4.ip_forward = 1', ...own]);
  });

  it('the bridge that the CNI plugin makes, with the MTU of subnet.env and a MAC that stays; and nothing else', () => {
    const mtu = Number(/FLANNEL_MTU=(\d+)/.exec(captured(backend, 'subnet.env'))?.[1]);
    expect(bodyOf(state, 'bridge/host/cni0')).toEqual({ kind: 'bridge', name: 'cni0', mtu, mac: expect.stringMatching(/^02:42:0a:05:..:01$/) });
    const peers = backend === 'udp' ? 2 : 0;
    expect(keys(state, 'udp-relay-peer/')).toHaveLength(peers);
    const counts = { vxlan: 15, 'host-gw': 10, udp: 14 };
    expect(keys(state)).toHaveLength(counts[backend]);
    expect(state.objects.every(({ space, origin }) => space === 'host' && origin.computedBy === 'flannel')).toBe(true);
    expect(state.watch.everySeconds).toBe(5);
  });
});
