import { parseManifest, parseSpec } from '@portolan/intent';
import type { NounKind, Problem } from '@portolan/model';
import { bjdtManifest, largeManifest } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { problemsOf, refusalsOf } from './refusal.js';

const node = { name: 'n1', address: '192.0.2.1' };
const endpoint = { name: 'e1', service: 's', node: 'n', attachment: { pid: 7 } };

const wrong: readonly (readonly [kind: NounKind, spec: unknown, refusal: string, message: RegExp, fix?: RegExp])[] = [
  ['node', null, 'invalid-document ', /null is not allowed here: expected an object/],
  ['node', 'n1', 'invalid-document ', /"n1" is not allowed here: expected an object/],
  ['node', { name: 'n1' }, 'invalid-document ', /the field "address" is missing/],
  [
    'node',
    { ...node, colour: 'red' },
    'unknown-field /colour',
    /"colour" is not known/,
    /known fields here: name, role, availability, address, addresses, labels/,
  ],
  ['node', { ...node, adress: 'x' }, 'unknown-field /adress', /"adress" is not known/, /Did you mean "address"\?/],
  ['node', { ...node, 'a/b~c': 1 }, 'unknown-field /a~1b~0c', /"a\/b~c" is not known/],
  ['node', JSON.parse('{"name":"n1","address":"192.0.2.1","__proto__":{"x":1}}'), 'unknown-field /__proto__', /"__proto__" is not known/],
  ['node', { ...node, name: '' }, 'invalid-document /name', /"" is not allowed here: expected a string \(Unique within a cluster/],
  ['node', { ...node, name: 'x'.repeat(64) }, 'invalid-document /name', /"xxx.*… is not allowed here/],
  ['node', { ...node, name: 7 }, 'invalid-document /name', /^7 is not allowed here: expected a string/],
  ['node', { ...node, role: 'boss' }, 'invalid-document /role', /"boss" is not allowed here: expected one of "manager", "worker"/],
  ['node', { ...node, address: '192.0.2' }, 'invalid-address /address', /"192\.0\.2" is not an IPv4 address/],
  ['node', { ...node, address: '192.0.2.256' }, 'invalid-address /address', /is not an IPv4 address/],
  ['node', { ...node, address: '192.0.2.1/24' }, 'invalid-address /address', /is not an IPv4 address/],
  ['node', { ...node, address: '2001:db8::1' }, 'invalid-address /address', /is not an IPv4 address/],
  ['node', { ...node, address: '239.1.1.1' }, 'invalid-address /address', /multicast/],
  ['node', { ...node, address: '0.0.0.0' }, 'invalid-address /address', /reserved/],
  ['node', { ...node, labels: { a: 1 } }, 'invalid-document /labels/a', /1 is not allowed here: expected a string at most 256 characters/],
  ['network', { name: 'a', subnet: '10.0.0.0' }, 'invalid-subnet /subnet', /"10\.0\.0\.0" is not an IPv4 subnet/],
  ['network', { name: 'a', subnet: '10.0.0.0/33' }, 'invalid-subnet /subnet', /is not an IPv4 subnet/],
  ['network', { name: 'a', subnet: '10/8' }, 'invalid-subnet /subnet', /"10\/8" is not an IPv4 subnet/],
  ['network', { name: 'a', subnet: 'fd00:0:0:0::/64' }, 'invalid-subnet /subnet', /is not an IPv4 subnet/],
  ['network', { name: 'a', subnet: '10.0.0.7/24' }, 'host-bits-set /subnet', /"10\.0\.0\.7\/24" has host bits set/, /Write 10\.0\.0\.0\/24\./],
  ['network', { name: 'a', subnet: '10.0.0.0/31' }, 'invalid-subnet /subnet', /has 31 prefix bits: a network needs 8 to 30/],
  ['network', { name: 'a', subnet: '127.0.0.0/24' }, 'invalid-subnet /subnet', /loopback/],
  ['network', { name: 'a', subnet: '224.0.0.0/24' }, 'invalid-subnet /subnet', /multicast/],
  [
    'network',
    { name: 'a', subnet: '10.0.0.0/24', gateway: '10.0.1.1' },
    'address-outside-network /gateway',
    /10\.0\.1\.1 is not a host address of 10\.0\.0\.0\/24/,
  ],
  ['network', { name: 'a', subnet: '10.0.0.0/24', gateway: '10.0.0.255' }, 'address-outside-network /gateway', /not a host address/],
  ['network', { name: 'a', vni: 0 }, 'invalid-document /vni', /0 is not allowed here: expected an integer from 1 to 16777215/],
  ['network', { name: 'a', vni: 16777216 }, 'invalid-document /vni', /expected an integer from 1 to 16777215/],
  ['network', { name: 'a', vni: 1.5 }, 'invalid-document /vni', /1\.5 is not allowed here: expected an integer/],
  ['network', { name: 'a', ingress: 'yes' }, 'invalid-document /ingress', /"yes" is not allowed here: expected true or false/],
  ['network', { name: 'a', id: 'short' }, 'invalid-document /id', /25 characters a-z0-9/],
  ['service', { name: 'a', ports: [{ target: 70000 }] }, 'invalid-document /ports/0/target', /70000 is not allowed here: expected an integer from 1 to 65535/],
  ['service', { name: 'a', ports: [{ target: 80, protocol: 'icmp' }] }, 'invalid-document /ports/0/protocol', /expected one of "tcp", "udp", "sctp"/],
  ['service', { name: 'a', ports: { target: 80 } }, 'invalid-document /ports', /expected a list of at most 256 items/],
  ['service', { name: 'a', networks: ['b'] }, 'invalid-document /networks/0', /"b" is not allowed here: expected an object/],
  ['service', { name: 'a', networks: [{ network: 'b', vip: 'x' }] }, 'invalid-address /networks/0/vip', /"x" is not an IPv4 address/],
  [
    'service',
    { name: 'a', networks: [{ network: 'b', mark: '0x149' }] },
    'invalid-document /networks/0/mark',
    /"0x149" is not allowed here: expected an integer from 1/,
  ],
  [
    'endpoint',
    { ...endpoint, attachment: 'web' },
    'invalid-document /attachment',
    /"web" is not allowed here: expected an object with exactly one of netns, pid and container/,
  ],
  ['endpoint', { ...endpoint, attachment: {} }, 'invalid-document /attachment', /\{\} is not allowed here: expected exactly one of netns, pid and container/],
  ['endpoint', { ...endpoint, attachment: { netns: '/a', pid: 7 } }, 'invalid-document /attachment', /expected exactly one of netns, pid and container/],
  [
    'endpoint',
    { ...endpoint, attachment: { netns: 'a' } },
    'invalid-document /attachment/netns',
    /"a" is not allowed here: expected a string \(Path of a network namespace/,
  ],
  ['endpoint', { ...endpoint, attachment: { pid: 1 } }, 'invalid-document /attachment/pid', /1 is not allowed here: expected an integer from 2 to 4194304/],
  ['endpoint', { ...endpoint, attachment: { 'a/b~c': 1 } }, 'unknown-field /attachment/a~1b~0c', /"a\/b~c" is not known/, /Write exactly one of/],
  ['endpoint', { ...endpoint, attachment: { nets: '/a' } }, 'unknown-field /attachment/nets', /"nets" is not known/, /Did you mean "netns"\?/],
  ['endpoint', { name: 'e1', node: 'n1', attachment: { pid: 7 } }, 'invalid-document ', /none of "service", "networks" and "flannel"/, /attachable networks/],
  ['endpoint', { ...endpoint, networks: ['a'] }, 'unsupported-combination /networks', /joins the networks of the service, here "s"/],
  ['endpoint', { ...endpoint, aliases: ['db', 'DB'] }, 'duplicate-name /aliases/1', /the endpoint has the name "DB" already/],
  ['endpoint', { ...endpoint, aliases: ['-x'] }, 'invalid-document /aliases/0', /Another name in DNS/],
  ['endpoint', { ...endpoint, networks: [] }, 'invalid-document /networks', /expected a list of 1 to 64 items/],
  ['service', { name: 'a', endpointMode: 'dns' }, 'invalid-document /endpointMode', /"dns" is not allowed here: expected one of "vip", "dnsrr"/],
  [
    'service',
    { name: 'a', endpointMode: 'dnsrr', networks: [{ network: 'n', vip: '10.0.0.9' }] },
    'unsupported-combination /networks/0/vip',
    /a service of endpoint mode "dnsrr" has no vip/,
  ],
  ['service', { name: 'a', endpointMode: 'dnsrr', networks: [{ network: 'n', mark: 9 }] }, 'unsupported-combination /networks/0/mark', /has no mark/],
  ['service', { name: 'a', endpointMode: 'dnsrr', ports: [{ target: 80 }] }, 'unsupported-combination /ports/0', /cannot publish a port in mode "ingress"/],
  [
    'service',
    {
      name: 'a',
      endpointMode: 'dnsrr',
      ports: [
        { target: 79, mode: 'host' },
        { target: 80, mode: 'ingress' },
      ],
    },
    'unsupported-combination /ports/1/mode',
    /in mode "ingress"/,
    /mode "host"/,
  ],
  ['service', { name: 'a', endpointMode: 'dnsrr', persistence: 5 }, 'unsupported-combination /persistence', /no session affinity/],
  [
    'service',
    { name: 'a', ports: [{ target: 80, mode: 'host', externalTrafficPolicy: 'local' }] },
    'unsupported-combination /ports/0/externalTrafficPolicy',
    /a port of mode "host"/,
  ],
  ['service', { name: 'a', ports: [{ target: 80, addresses: ['eth0:0:0'] }] }, 'invalid-address /ports/0/addresses/0', /neither an IPv4 address nor a subnet/],
  ['service', { name: 'a', ports: [{ target: 80, addresses: ['192.0.2.256'] }] }, 'invalid-address /ports/0/addresses/0', /neither/, /such as 192\.0\.2\.10/],
  [
    'service',
    { name: 'a', ports: [{ target: 80, addresses: ['192.0.2.1', '192.0.2.1/24'] }] },
    'host-bits-set /ports/0/addresses/1',
    /has host bits set/,
    /Write 192\.0\.2\.0\/24\./,
  ],
  ['service', { name: 'a', ports: [{ target: 80, addresses: ['192.0.2.1/99'] }] }, 'invalid-subnet /ports/0/addresses/0', /is not an IPv4 subnet/],
  ['service', { name: 'a', ports: [{ target: 80, addresses: ['192.0.2.1', '192.0.2.1/32'] }] }, 'invalid-document /ports/0/addresses/1', /named twice/],
  ['service', { name: 'a', ports: [{ target: 80, interfaces: ['eth0', 'eth0'] }] }, 'invalid-document /ports/0/interfaces/1', /"eth0" is named twice/],
  ['service', { name: 'a', ports: [{ target: 80, interfaces: ['a/b'] }] }, 'invalid-document /ports/0/interfaces/0', /"a\/b" is not allowed here/],
  [
    'service',
    { name: 'a', networks: [{ network: 'n', aliases: ['b', 'c', 'B'] }] },
    'duplicate-name /networks/0/aliases/2',
    /the service has the name "B" already/,
  ],
  ['service', { name: 'a', networks: [{ network: 'n', aliases: ['A'] }] }, 'duplicate-name /networks/0/aliases/0', /"A" already/, /Leave out this alias/],
  ['service', { name: 'a', healthCheck: 'tcp' }, 'invalid-document /healthCheck', /expected an object with "kind", one of "tcp", "http"/],
  ['service', { name: 'a', healthCheck: { port: 80 } }, 'invalid-document /healthCheck', /the field "kind" is missing: one of "tcp", "http"/],
  [
    'service',
    { name: 'a', healthCheck: { kind: 'icmp', port: 80 } },
    'invalid-document /healthCheck/kind',
    /"icmp" is not allowed here: expected one of "tcp", "http"/,
  ],
  ['service', { name: 'a', healthCheck: { kind: 'tcp' } }, 'invalid-document /healthCheck', /the field "port" is missing/],
  [
    'service',
    { name: 'a', healthCheck: { kind: 'http', port: 0 } },
    'invalid-document /healthCheck/port',
    /0 is not allowed here: expected an integer from 1 to 65535/,
  ],
  [
    'service',
    { name: 'a', healthCheck: { kind: 'tcp', port: 80, path: '/x' } },
    'unknown-field /healthCheck/path',
    /"path" is not known with kind "tcp"/,
    /Remove it, or write "kind": "http"/,
  ],
  [
    'service',
    { name: 'a', healthCheck: { kind: 'http', port: 80, pth: '/x' } },
    'unknown-field /healthCheck/pth',
    /"pth" is not known/,
    /Did you mean "path"\?/,
  ],
  ['service', { name: 'a', healthCheck: { kind: 'http', port: 80, path: 'x' } }, 'invalid-document /healthCheck/path', /"x" is not allowed here/],
  ['network', { name: 'a', extraSubnets: [{ subnet: '10.0.0.0/31' }] }, 'invalid-subnet /extraSubnets/0/subnet', /a network needs 8 to 30/],
  [
    'network',
    { name: 'a', extraSubnets: [{ subnet: '10.0.0.0/24' }, { subnet: '10.0.1.0/24', gateway: '10.0.0.1' }] },
    'address-outside-network /extraSubnets/1/gateway',
    /not a host address of 10\.0\.1\.0\/24/,
  ],
  ['network', { name: 'a', vni: 9, extraSubnets: [{ subnet: '10.0.0.0/24', vni: 9 }] }, 'vni-taken /extraSubnets/0/vni', /9 is given twice/],
  ['network', { name: 'a', ingress: true, dsr: true }, 'unsupported-combination /dsr', /no direct server return/, /Leave out "dsr", or leave out "ingress"/],
  ['network', { name: 'a', ingress: true, internal: true }, 'unsupported-combination /internal', /cannot be internal/],
  ['network', { name: 'a', ingress: true, attachable: true }, 'unsupported-combination /attachable', /cannot join the ingress network/],
  ['network', { name: 'a', ingress: true, extraSubnets: [{ subnet: '10.0.0.0/24' }] }, 'unsupported-combination /extraSubnets', /one subnet/],
  [
    'network',
    { name: 'a', dsr: true, extraSubnets: [{ subnet: '10.0.0.0/24' }] },
    'unsupported-combination /extraSubnets',
    /direct server return has one subnet/,
  ],
  ['network', { name: 'a', ipvsTimeouts: { tcp: 900, udp: 9 } }, 'invalid-document /ipvsTimeouts', /the field "tcpFin" is missing/],
  ['endpoint', { ...endpoint, weight: -1 }, 'invalid-document /weight', /-1 is not allowed here: expected an integer from 0 to 65535/],
];

describe('parseSpec', () => {
  it.each(wrong.map(([kind, spec, refusal, message, fix = /./]) => ({ kind, spec, refusal, message, fix })))(
    '$kind $spec: $refusal',
    ({ kind, spec, refusal, message, fix }) => {
      const problems = problemsOf(() => parseSpec(kind, spec));
      expect(problems.map(({ code, path }) => `${code} ${path}`)).toEqual([refusal]);
      expect(problems[0]?.message).toMatch(message);
      expect(problems[0]?.fix).toMatch(fix);
    },
  );

  it('reports every fault of a document at once', () => {
    expect(refusalsOf(() => parseSpec('endpoint', { name: '-', node: 5, attachment: { pid: 'x' }, weight: 70000, zone: 'a' })).toSorted()).toEqual([
      'invalid-document /attachment/pid',
      'invalid-document /name',
      'invalid-document /node',
      'invalid-document /weight',
      'unknown-field /zone',
    ]);
  });

  it('refuses a document with more faults than anyone counts', () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`field${i}`, i]));
    expect(refusalsOf(() => parseSpec('node', { ...node, ...many }))).toHaveLength(20);
    expect(refusalsOf(() => parseSpec('endpoint', { ...endpoint, attachment: many }))).toEqual(['unknown-field /attachment/field0']);
    expect(refusalsOf(() => parseManifest({ endpoints: [{ ...endpoint, attachment: many }] }))).toEqual(['unknown-field /endpoints/0/attachment/field0']);
  });

  it('gives back what it was given', () => {
    expect(parseSpec('node', node)).toBe(node);
  });
});

describe('parseManifest', () => {
  it('takes the example', () => {
    expect(parseManifest(bjdtManifest)).toBe(bjdtManifest);
  });

  it.each<[string, unknown, readonly string[]]>([
    ['an unknown section', { nodez: [] }, ['unknown-field /nodez']],
    ['a section that is no list', { nodes: {} }, ['invalid-document /nodes']],
    ['a list instead of an object', [], ['invalid-document ']],
    ['an empty document', null, ['invalid-document ']],
    ['a pool with host bits', { settings: { addressPools: ['10.0.0.0/8', '10.0.0.1/8'] } }, ['host-bits-set /settings/addressPools/1']],
    ['a pool that is too small', { settings: { addressPools: ['10.0.0.0/26'], subnetPrefixLength: 24 } }, ['invalid-document /settings/addressPools/0']],
    ['no pool', { settings: { addressPools: [] } }, ['invalid-document /settings/addressPools']],
    ['half a range', { settings: { vniRange: [4096] } }, ['invalid-document /settings/vniRange']],
    ['a range backwards', { settings: { markRange: [300, 256] } }, ['invalid-document /settings/markRange']],
    ['a malformed gateway subnet', { settings: { gatewaySubnet: '192.168.240/20' } }, ['invalid-subnet /settings/gatewaySubnet']],
    [
      'several faults in several objects',
      {
        nodes: [node, { ...node, name: 'n2', address: 'x' }],
        networks: [{ name: 'a', subnet: 5 }],
        endpoints: [endpoint, endpoint, { ...endpoint, attachment: {} }],
      },
      ['invalid-address /nodes/1/address', 'invalid-document /networks/0/subnet', 'invalid-document /endpoints/2/attachment'],
    ],
  ])('%s', (_what, document, refusals) => {
    expect(refusalsOf(() => parseManifest(document))).toEqual(refusals);
  });

  it('stops at 20 problems', () => {
    expect(problemsOf(() => parseManifest({ endpoints: Array.from({ length: 1000 }, () => ({ ...endpoint, attachment: {} })) }))).toHaveLength(20);
    expect(problemsOf(() => parseManifest({ networks: Array.from({ length: 1000 }, () => ({ name: 'a', subnet: '10.0.0.1/24' })) }))).toHaveLength(20);
  });

  it.each<[string, (service: Record<string, unknown>) => object, Problem['code'], string]>([
    ['a wrong port', (s) => ({ ...s, ports: [{ target: 0 }] }), 'invalid-document', '/services/7777/ports/0/target'],
    ['an unknown field', (s) => ({ ...s, sheduler: 'rr' }), 'unknown-field', '/services/7777/sheduler'],
  ])('finds %s among 10,000 services', (_what, spoil, code, path) => {
    const manifest = largeManifest({ nodes: 10, networks: 50, services: 10_000, endpointsPerService: 0, publishedServices: 100 });
    const services = manifest.services?.map((service, i) => (i === 7777 ? spoil(service) : service));
    const start = performance.now();
    expect(problemsOf(() => parseManifest({ ...manifest, services })).map((p) => [p.code, p.path])).toEqual([[code, path]]);
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});
