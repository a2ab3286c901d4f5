import fc from 'fast-check';
import type { DumpedChain, DumpedLink, DumpedRule, NamespaceDump } from '../src/index.js';

const ipv4 = fc.ipV4();
const prefixLength = fc.integer({ min: 0, max: 32 });
const mac = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 })
  .map((octets) => octets.map((o) => o.toString(16).padStart(2, '0')).join(':'));
const name = fc.stringMatching(/^[a-z][a-z0-9._-]{0,14}$/);
const kind = fc.constantFrom('loopback', 'bridge', 'veth', 'dummy', 'tun', 'device');
const vxlan = fc.record({
  vni: fc.integer({ min: 1, max: 0xffffff }),
  port: fc.integer({ min: 1, max: 65535 }),
  proxy: fc.boolean(),
  learning: fc.boolean(),
  l2miss: fc.boolean(),
  l3miss: fc.boolean(),
});
const scope = fc.constantFrom('global', 'link', 'host');

const link: fc.Arbitrary<DumpedLink> = fc
  .record({
    name,
    kind,
    vxlan: fc.option(vxlan),
    up: fc.boolean(),
    mtu: fc.integer({ min: 68, max: 65536 }),
    mac: fc.option(mac),
    master: fc.option(name),
    addresses: fc.array(fc.record({ address: ipv4, prefixLength, scope }), { maxLength: 3 }),
  })
  .map((made) => ({ ...made, kind: made.vxlan === null ? made.kind : 'vxlan' }));

const route = fc.record({
  type: fc.constantFrom('unicast', 'local', 'broadcast', 'blackhole'),
  destination: fc.oneof(
    fc.constant('default'),
    ipv4,
    fc.tuple(ipv4, prefixLength).map(([address, length]) => `${address}/${length}`),
  ),
  via: fc.option(ipv4),
  link: fc.option(name),
  table: fc.constantFrom('main', 'local', '4096'),
  protocol: fc.option(fc.constantFrom('kernel', '80', 'boot')),
  metric: fc.nat({ max: 5000 }),
});

const word = fc.stringMatching(/^[A-Za-z0-9.:/,-]{1,12}$/).filter((made) => !/^-|^comment$/.test(made));
const words = fc
  .array(
    fc.oneof(
      word,
      word.map((made) => `"${made} -j ${made}"`),
    ),
    { maxLength: 4 },
  )
  .map((made) => made.join(' '));

/** Tables one after the other, each with its chains before its rules. */
const tables = fc
  .uniqueArray(
    fc.record({
      table: fc.constantFrom('mangle', 'nat', 'filter', 'raw'),
      chains: fc.uniqueArray(fc.record({ chain: fc.stringMatching(/^[A-Z][A-Z0-9-]{0,20}$/), policy: fc.option(fc.constantFrom('ACCEPT', 'DROP')) }), {
        selector: ({ chain }) => chain,
        minLength: 1,
        maxLength: 4,
      }),
      rules: fc.array(fc.record({ chain: fc.nat(), match: words, target: fc.option(fc.constantFrom('ACCEPT', 'DNAT', 'MASQUERADE')), options: words }), {
        maxLength: 6,
      }),
    }),
    { selector: ({ table }) => table },
  )
  .map((made) => ({
    chains: made.flatMap(({ table, chains }): DumpedChain[] => chains.map((chain) => ({ table, ...chain }))),
    rules: made.flatMap(({ table, chains, rules }): DumpedRule[] =>
      rules.map(({ chain, match, target, options }) => ({
        table,
        chain: chains[chain % chains.length]?.chain ?? '',
        match,
        target,
        options: target === null ? '' : options,
      })),
    ),
  }));

const servers = fc
  .uniqueArray(
    fc.record({
      mark: fc.integer({ min: 1, max: 0x7fffffff }),
      scheduler: fc.constantFrom('rr', 'wrr', 'sh'),
      persistence: fc.constantFrom(0, 300, 60),
      behind: fc.array(
        fc.record({
          address: ipv4,
          port: fc.constantFrom(0, 80),
          forwarding: fc.constantFrom('masquerade' as const, 'direct' as const, 'tunnel' as const),
          weight: fc.nat({ max: 65535 }),
        }),
        { maxLength: 4 },
      ),
    }),
    { selector: ({ mark }) => mark },
  )
  .map((made) => ({
    virtualServers: made.map(({ mark, scheduler, persistence }) => ({ mark, scheduler, persistence })),
    realServers: made.flatMap(({ mark, behind }) => behind.map((real) => ({ mark, ...real }))),
  }));

/** What a namespace can hold, in the order in which the tools print it. */
export const namespaceDump: fc.Arbitrary<NamespaceDump> = fc
  .record({
    links: fc.array(link, { minLength: 1, maxLength: 6 }),
    routes: fc.array(route, { maxLength: 8 }),
    neighbours: fc.array(fc.record({ address: ipv4, link: name, mac: fc.option(mac), state: fc.constantFrom('PERMANENT', 'STALE', 'FAILED') }), {
      maxLength: 5,
    }),
    forwarding: fc.array(fc.record({ mac, link: name, vtep: fc.option(ipv4), master: fc.option(name), permanent: fc.boolean() }), { maxLength: 5 }),
    tables,
    servers,
    sysctls: fc.dictionary(fc.stringMatching(/^net(\.[a-z0-9_/]{1,8}){1,4}$/), fc.constantFrom('0', '1', '3\t50', ''), {
      minKeys: 1,
      maxKeys: 8,
      noNullPrototype: true,
    }),
  })
  .map(({ tables: { chains, rules }, servers: { virtualServers, realServers }, ...rest }) => ({ ...rest, chains, rules, virtualServers, realServers }));
