import { kernelObject, type NodeState, nodeState, nothingToWatch, type ObjectBody, observedObject, observedState, type Space } from '@portolan/node-state';
import { diffNodeState, isRule } from '@portolan/plan';
import { describe, expect, it } from 'vitest';
import { renderPlan } from '../src/index.js';
import { layout } from './layout.js';

type Placed = readonly [Space, ObjectBody];

const balancer: Space = 'own:lb_5mckih8b5';
const endpoint: Space = 'endpoint:x';

function stateOf(...placed: readonly Placed[]): NodeState {
  const objects = placed.map(([space, body]) => kernelObject(space, body, { computedBy: 'overlay' }));
  return nodeState({ cluster: 'lab', node: 'node1', address: '192.0.2.1', endpoints: {}, watch: nothingToWatch, objects });
}

/** `TOOL SPACE` and the lines of each batch from one state to another. */
function texts(before: readonly Placed[], after: readonly Placed[]): Record<string, string[]> {
  const seen = before.map(([space, body]) => {
    const object = observedObject(space, body);
    return isRule(body.kind) ? { key: object.key, hash: object.hash, space, kind: body.kind } : object;
  });
  const desired = stateOf(...after);
  const batches = renderPlan(diffNodeState(observedState(seen, { x: 'present' }, []), desired), desired, layout);
  const found: Record<string, string[]> = {};
  for (const { tool, space, text } of batches) {
    const name = `${tool} ${space}`;
    found[name] = [...(found[name] ?? []), ...text.trimEnd().split('\n')];
  }
  return found;
}

/** Rules without comments, chains and transactions. */
function rules(lines: readonly string[] = []): string[] {
  return lines.filter((line) => line.startsWith('-A ')).map((line) => line.replace(/ -m comment --comment "[^"]*"/, ''));
}

describe('IPVS', () => {
  const server = (more: object = {}): Placed => [balancer, { kind: 'virtual-server', mark: 500, scheduler: 'rr', ...more }];
  const real = (more: object = {}): Placed => [balancer, { kind: 'real-server', mark: 500, address: '10.0.0.3', forwarding: 'masquerade', weight: 1, ...more }];
  const timeouts = (tcp: number): Placed => [balancer, { kind: 'ipvs-timeouts', tcp, tcpFin: 120, udp: 300 }];

  it('has affinity, direct return, and a fallback where a scheduler would send to an endpoint that leaves', () => {
    expect(texts([], [timeouts(7800), server({ scheduler: 'sh', persistence: 60 }), real({ forwarding: 'direct', weight: 0 })])).toEqual({
      [`ipvsadm ${balancer}`]: ['--set 7800 120 300', '-A -f 500 -s sh -p 60 -b sh-fallback', '-a -f 500 -r 10.0.0.3:0 -g -w 0'],
    });
  });

  it('is changed where it is; timeouts that nobody wants any more stay', () => {
    expect(texts([timeouts(900), server({ scheduler: 'sh' }), real()], [timeouts(7800), server({ persistence: 9 }), real({ weight: 0 })])).toEqual({
      [`ipvsadm ${balancer}`]: ['--set 7800 120 300', '-E -f 500 -s rr -p 9', '-e -f 500 -r 10.0.0.3:0 -m -w 0'],
    });
    expect(texts([timeouts(900)], [])).toEqual({});
  });

  it('forgets the UDP flows to a real server that goes, once for all its marks, after it went', () => {
    const other: Placed = [balancer, { kind: 'virtual-server', mark: 501, scheduler: 'rr' }];
    const found = texts([server(), other, real(), real({ mark: 501 })], [server(), other]);
    expect(Object.entries(found)).toEqual([
      [`ipvsadm ${balancer}`, ['-d -f 500 -r 10.0.0.3:0', '-d -f 501 -r 10.0.0.3:0']],
      [`conntrack ${balancer}`, ['-D -p udp --reply-src 10.0.0.3']],
    ]);
  });
});

describe('published ports', () => {
  const forward = (more: object = {}): Placed => ['host', { kind: 'port-forward', protocol: 'udp', port: 5140, to: '192.168.240.7', toPort: 514, ...more }];

  it('are translated for each address and interface; the filter sees the translated port', () => {
    const found = texts([], [forward({ addresses: ['192.0.2.0/24', '192.0.2.10'], interfaces: ['eth0', 'eth1'] })]);
    expect(rules(found['iptables-restore host'])).toEqual([
      ...['-d 192.0.2.0/24 -i eth0', '-d 192.0.2.0/24 -i eth1', '-d 192.0.2.10/32 -i eth0', '-d 192.0.2.10/32 -i eth1'].map(
        (entrance) => `-A PORTOLAN-INGRESS ${entrance} -p udp -m udp --dport 5140 -j DNAT --to-destination 192.168.240.7:514`,
      ),
      '-A PORTOLAN-FORWARD -d 192.168.240.7/32 -p udp -m udp --dport 514 -m conntrack --ctstate DNAT -j ACCEPT',
      '-A PORTOLAN-FORWARD -s 192.168.240.7/32 -p udp -m udp --sport 514 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    ]);
  });

  it('of UDP: flows are forgotten that went to the host itself before, or elsewhere; of TCP none is', () => {
    const before = '-D -p udp --orig-dst 192.0.2.1 --orig-port-dst 5140';
    const elsewhere = '-D -p udp --orig-port-dst 5140 --dst-nat';
    expect(texts([], [forward()])['conntrack host']).toEqual([before]);
    expect(texts([forward()], [forward({ to: '192.168.240.8' })])['conntrack host']).toEqual([elsewhere, before]);
    expect(texts([forward()], [])['conntrack host']).toEqual([elsewhere]);
    expect(Object.keys(texts([forward({ protocol: 'tcp' })], []))).toEqual(['iptables-restore host']);
  });
});

it('packets with a mark keep their source: that is decided before it would be rewritten', () => {
  const found = texts(
    [],
    [
      [balancer, { kind: 'source-rewrite', destination: '10.0.0.0/24', source: '10.0.0.5' }],
      [balancer, { kind: 'source-kept', mark: 0x10001 }],
    ],
  );
  expect(rules(found[`iptables-restore ${balancer}`])).toEqual([
    '-A POSTROUTING -m mark --mark 0x10001 -j ACCEPT',
    '-A POSTROUTING -d 10.0.0.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.0.5',
  ]);
});

describe('routing', () => {
  const route = (more: object = {}): Placed => [endpoint, { kind: 'route', destination: 'default', link: 'ov1', ...more }];
  const rule = (table: number): Placed => [endpoint, { kind: 'route-rule', from: '10.0.0.3', table }];

  it('has routes on the link itself, of a table, with a metric, and rules that lead to a table', () => {
    expect(texts([], [route({ via: '10.0.0.1', metric: 4096 }), route({ destination: '10.0.0.0/24', table: 4096 }), rule(4096)])).toEqual({
      [`ip ${endpoint}`]: [
        'route replace 10.0.0.0/24 dev ov1 scope link proto 80 table 4096',
        'route replace default via 10.0.0.1 dev ov1 proto 80 metric 4096',
        'rule add from 10.0.0.3 lookup 4096 priority 800 protocol 80',
      ],
    });
  });

  it('to the kernel another metric or table is another route or rule, so the old one goes first', () => {
    expect(texts([route({ via: '10.0.0.1' }), rule(4096)], [route({ via: '10.0.0.1', metric: 9 }), rule(4097)])).toEqual({
      [`ip ${endpoint}`]: [
        'route flush exact default table main proto 80',
        'rule delete from 10.0.0.3 protocol 80',
        'route replace default via 10.0.0.1 dev ov1 proto 80 metric 9',
        'rule add from 10.0.0.3 lookup 4097 priority 800 protocol 80',
      ],
    });
    expect(texts([route({ via: '10.0.0.1' })], [route({ via: '10.0.0.9' })])[`ip ${endpoint}`]).toEqual([
      'route replace default via 10.0.0.9 dev ov1 proto 80',
    ]);
    expect(texts([route({ table: 4096 }), rule(4096)], [])[`ip ${endpoint}`]).toEqual([
      'rule delete from 10.0.0.3 protocol 80',
      'route flush exact default table 4096 proto 80',
    ]);
  });

  it('an address on lo gets a label, as lo is not ours', () => {
    const vip: Placed = [endpoint, { kind: 'address', link: 'lo', address: '10.5.0.20', prefixLength: 32 }];
    expect(texts([], [vip])[`ip ${endpoint}`]).toEqual(['address replace 10.5.0.20/32 dev lo label lo:ptl']);
    expect(texts([vip], [])[`ip ${endpoint}`]).toEqual(['address delete 10.5.0.20/32 dev lo']);
  });
});

it('a port of a bridge is isolated, or is no longer, where it is', () => {
  const port = (more: object = {}): Placed => [
    'host',
    { kind: 'veth', name: 'ptl_x', master: 'ptl_gwbridge', mtu: 1500, peer: { space: endpoint, name: 'ptl_gw', mac: '02:42:c0:a8:f0:03' }, ...more },
  ];
  const last = (before: Placed, after: Placed) => texts([before], [after])['ip host']?.at(-1);
  expect(last(port(), port({ isolated: true }))).toBe('link set dev ptl_x type bridge_slave isolated on');
  expect(last(port({ isolated: true }), port())).toBe('link set dev ptl_x type bridge_slave isolated off');
  expect(last(port(), port({ mtu: 1400 }))).toBe('link set dev ptl_x mtu 1400 master ptl_gwbridge up');
});

describe('names', () => {
  const name = (...addresses: string[]): Placed => ['host', { kind: 'dns-name', network: 'app', name: 'web', addresses }];
  const set = (...addresses: string[]) => `set dns-name/host/app/web ${JSON.stringify({ addresses, kind: 'dns-name', name: 'web', network: 'app' })}`;

  it('of all namespaces are one batch, whose lines say all there is', () => {
    const client: Placed = [endpoint, { kind: 'dns-client', port: 11053, networks: ['app'], forwards: true }];
    expect(texts([], [name('10.0.0.3'), client])).toEqual({
      'dns host': [set('10.0.0.3'), 'set dns-client/endpoint:x {"forwards":true,"kind":"dns-client","networks":["app"],"port":11053}'],
    });
    expect(texts([name('10.0.0.3'), client], [])).toEqual({ 'dns host': ['delete dns-client/endpoint:x', 'delete dns-name/host/app/web'] });
  });

  it('lose before and gain after; one that keeps nothing goes over once', () => {
    expect(texts([name('10.0.0.3', '10.0.0.4')], [name('10.0.0.4', '10.0.0.5')])).toEqual({ 'dns host': [set('10.0.0.4'), set('10.0.0.4', '10.0.0.5')] });
    expect(texts([name('10.0.0.3', '10.0.0.4')], [name('10.0.0.4')])).toEqual({ 'dns host': [set('10.0.0.4')] });
    expect(texts([name('10.0.0.3')], [name('10.0.0.4')])).toEqual({ 'dns host': [set('10.0.0.4')] });
  });
});
