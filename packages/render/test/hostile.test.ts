import { computeNodeState } from '@portolan/compute';
import { applyManifest, parseFlannel, parseManifest, parseSpec } from '@portolan/intent';
import { errorCatalogue, isNamespacePath, type Manifest, nounKinds, PortolanError, type Snapshot } from '@portolan/model';
import { type NodeState, observedState } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { dataPlaneManifest, dataPlaneSnapshot, emptySnapshot, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Batch, type Layout, renderPlan, type Tool } from '../src/index.js';
import { present } from './layout.js';

// Whatever somebody writes into a document: it is refused at the place where it stands, or nothing of it is more than a value to a tool.

const hostile = [
  '; reboot',
  '$(reboot)',
  '`reboot`',
  '| sh',
  '&& reboot',
  '> /etc/passwd',
  "'",
  '"',
  '\\',
  '" -j ACCEPT -m comment --comment "',
  "' -j ACCEPT '",
  '-j ACCEPT',
  '--jump=ACCEPT',
  '-D',
  '--help',
  '!',
  '+',
  '*',
  '~',
  '#',
  '%0a',
  '\n',
  '\r\n',
  '\0',
  '\u2028',
  '\u0085',
  '\nlink delete dev eth0',
  '\nCOMMIT\n*filter\n-P INPUT DROP\nCOMMIT',
  '\n-A FORWARD -j ACCEPT',
  ' netns 1',
  ' type dummy',
  '../../etc/passwd',
  '/../',
  '..',
  '.',
  '/proc/1/ns/net',
  '{{.Id}}',
  '$IFS',
  '\t',
  ' ',
  '\u00a0',
  '\u202e',
  '＂',
  '\ud800',
  '💣',
  '0x7f.1',
  '0177.0.0.1',
  '1.2.3.4/0',
  '10.0.0.1 -j ACCEPT',
  '１０.0.0.1',
  'a'.repeat(64),
  'a'.repeat(5_000),
  '',
];

/** What names may hold, and would be an option or a path if it were taken for one. */
const allowed = ['-j', '--jump', '-D', '..', '.conf', '_', '-', '0', 'netns', '-A', '.1'];

const hostileText = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(...allowed) },
  { weight: 3, arbitrary: fc.constantFrom(...hostile) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
);

/** A value of a document turned into a hostile one: replaced, or with something hostile before, behind or within it. */
const twist = fc
  .tuple(hostileText, fc.constantFrom('instead', 'before', 'behind', 'within'), fc.integer({ min: 1, max: 8 }))
  .map(([bad, where, at]) => (value: string) => {
    if (where === 'instead') return bad;
    const cut = where === 'before' ? 0 : where === 'behind' ? value.length : Math.min(at, value.length);
    return value.slice(0, cut) + bad + value.slice(cut);
  });

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };

/** Every text in a document, once. */
function textsOf(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(textsOf);
}

/** The document with every text replaced that is this one: what refers to a name goes on referring to it. */
function withText(value: Json | undefined, from: string, to: string): Json | undefined {
  if (typeof value === 'string') return value === from ? to : value;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => withText(each, from, to) ?? null);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withText(each, from, to)]));
}

/** Pointers to the places where this text stands. */
function placesOf(value: Json | undefined, text: string, at = ''): readonly string[] {
  if (value === text) return [at];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => placesOf(each, text, `${at}/${name}`));
}

/** As the agent finds them: by what the document says. */
function layoutOf(state: NodeState): Layout {
  return {
    pathOf: (space) => {
      if (space.startsWith('own:')) return `/run/portolan/netns/${space.slice('own:'.length)}`;
      const attachment = state.endpoints[space.slice('endpoint:'.length)]?.attachment;
      if (attachment === undefined) throw new Error(`${space} is not in the state`);
      return 'netns' in attachment ? attachment.netns : `/proc/${'pid' in attachment ? attachment.pid : 4711}/ns/net`;
    },
  };
}

function batchesOf(snapshot: Snapshot): readonly Batch[] {
  return [...snapshot.nodes.keys()].flatMap((id) => {
    const state = computeNodeState(snapshot, id);
    const layout = layoutOf(state);
    // A path that the agent itself refuses is never told to a tool.
    for (const space of Object.keys(state.endpoints)) expect(isNamespacePath(layout.pathOf(`endpoint:${space}`))).toBe(true);
    return renderPlan(diffNodeState(observedState([], present(state), []), state), state, layout);
  });
}

const NUMBER = '[0-9]+';
const IP = '[0-9]{1,3}(?:\\.[0-9]{1,3}){3}';
const NET = `${IP}(?:/[0-9]{1,2})?`;
const MAC = '[0-9a-f]{2}(?::[0-9a-f]{2}){5}';
const LINK = '[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}';
const PATH = '(?:/[A-Za-z0-9_.:@+=,~-]+)+';
const TAG = '[a-z0-9-]+(?:/[A-Za-z0-9_.:/-]+)?';
const HASH = '[0-9a-f]{16}';
const NAMESPACE = '[A-Za-z0-9][A-Za-z0-9_.-]*';

/** What a rule of iptables can have before its comment, and behind the name of its target. */
const MATCH = [
  '!',
  `-[sd] ${NET}`,
  `-[io] ${LINK}`,
  '-p (?:tcp|udp|sctp)',
  '-m (?:tcp|udp|sctp|mark|addrtype|conntrack|ipvs)',
  `--[ds]port ${NUMBER}`,
  '--(?:dst|src)-type LOCAL',
  '--ctstate [A-Z,]+',
  '--ipvs',
  '--mark 0x[0-9a-f]+(?:/0x[0-9a-f]+)?',
].join('|');
const TARGET = [
  `--to-destination ${IP}(?::${NUMBER})?`,
  `--to-source ${IP}`,
  '--to-source :53',
  `--to-ports ${NUMBER}`,
  '--random-fully',
  '--set-xmark 0x[0-9a-f]+/0x[0-9a-f]+',
].join('|');

/** Everything that a line for a tool can be; what is not in capitals is literal. */
const grammar: Readonly<Partial<Record<Tool, readonly string[]>>> = {
  netns: [`(?:add|delete) ${NAMESPACE}`],
  ip: [
    'link set dev lo up',
    `link add name ${LINK} mtu ${NUMBER}(?: address ${MAC})? type bridge vlan_default_pvid 0`,
    `link add name ${LINK} mtu ${NUMBER}(?: netns ${PATH})? type vxlan id ${NUMBER} dstport ${NUMBER} learning proxy l2miss l3miss`,
    `link add name ${LINK} mtu ${NUMBER}(?: netns ${PATH})? type veth peer name ${LINK} mtu ${NUMBER} address ${MAC}(?: netns ${PATH})?`,
    `link add ${LINK} txqueuelen 0 mtu ${NUMBER} address ${MAC} type vxlan id ${NUMBER} dev ${LINK} local ${IP} (?:no)?learning dstport ${NUMBER}(?: gbp)?`,
    `link set dev ${LINK} alias "portolan ${TAG} ${HASH}"`,
    `link set dev ${LINK}(?: addrgenmode none| mtu ${NUMBER}(?: nomaster| master ${LINK})?)?(?: up)?`,
    `link set dev ${LINK} type bridge_slave isolated (?:on|off)`,
    `address replace ${NET}(?: broadcast \\+)? dev ${LINK}(?: label lo:ptl)?`,
    `route replace ${NET} (?:dev ${LINK} scope (?:link|host|global)|via ${IP} dev ${LINK}(?: onlink)?) proto 80(?: table ${NUMBER})?(?: metric ${NUMBER})?`,
    `route replace default (?:dev ${LINK} scope link|via ${IP} dev ${LINK}(?: onlink)?) proto 80(?: table ${NUMBER})?(?: metric ${NUMBER})?`,
    `rule add from ${NET} lookup ${NUMBER} priority ${NUMBER} protocol 80`,
    `neighbour replace ${IP} lladdr ${MAC} dev ${LINK} nud permanent`,
  ],
  bridge: [`fdb replace ${MAC} dev ${LINK} dst ${IP} self permanent`],
  sysctl: [`net(?:\\.[A-Za-z0-9_@/-]+)+ = [0-9 ]+`],
  ipvsadm: [
    `--set ${NUMBER} ${NUMBER} ${NUMBER}`,
    `-A -f ${NUMBER} -s [a-z]+(?: -p ${NUMBER})?(?: -b sh-fallback)?`,
    `-a -f ${NUMBER} -r ${IP}:0 -[gm] -w ${NUMBER}`,
  ],
  conntrack: [`-D -p udp --orig-dst ${IP} --orig-port-dst ${NUMBER}`, `-D -p udp --reply-src ${IP}(?: --reply-port-src ${NUMBER})?`],
  'iptables-restore': [
    '\\*(?:nat|mangle|filter)',
    'COMMIT',
    ':[A-Z-]+ (?:-|ACCEPT|DROP) \\[0:0\\]',
    '-[FX]',
    `-[AI] [A-Z-]+(?: (?:${MATCH}))* -m comment --comment "portolan ${TAG} ${HASH} ${NUMBER}/${NUMBER}" -j [A-Z-]+(?: (?:${TARGET}))*`,
  ],
};
const lineOf = new Map(Object.entries(grammar).map(([tool, lines]) => [tool, new RegExp(`^(?:${lines.join('|')})$`)]));

/** Fails for a line that a tool could take for anything but one of ours. */
function assertOurs({ tool, text }: Batch): void {
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.slice(0, -1).split('\n')) {
    const allowed = lineOf.get(tool);
    if (allowed !== undefined) {
      if (!allowed.test(line)) expect.fail(`${tool}: ${JSON.stringify(line)}`);
      continue;
    }
    // What is for the agent's own programs: a key without a blank, and JSON, which escapes everything else.
    const [, key, body] = /^set (\S+) (\{.*\})$/.exec(line) ?? [];
    if (key === undefined || body === undefined) expect.fail(`${tool}: ${JSON.stringify(line)}`);
    expect(JSON.parse(body)).toMatchObject({ kind: key.split('/', 1)[0] });
  }
}

/** The error that parsing gives, which must be one of the catalogue; undefined when it gives none. Anything else that is thrown fails. */
function refusalOf(parse: () => unknown): PortolanError | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    if (!(error instanceof PortolanError)) throw error;
    for (const { code, message, fix, path } of error.problems) {
      expect(Object.hasOwn(errorCatalogue, code) && code !== 'internal').toBe(true);
      expect(message.length).toBeGreaterThan(0);
      expect(message.length).toBeLessThan(2_000);
      expect(fix.length).toBeGreaterThan(0);
      expect(path === '' || path.startsWith('/')).toBe(true);
    }
    return error;
  }
}

const everything: Manifest = {
  ...dataPlaneManifest,
  services: dataPlaneManifest.services?.map((service) => ({ ...service, labels: { team: 'of-a-label' } })) ?? [],
};
const base = new Map(batchesOf(applied(everything)).map((batch) => [`${batch.tool} ${batch.space}`, batch]));

function applied(manifest: Manifest): Snapshot {
  return applyManifest(emptySnapshot('lab'), parseManifest(manifest), seededIds(1), { now: 0 });
}

const texts = [...new Set(textsOf(everything as unknown as Json))];
const runs = { seed: 20_261_126, endOnFailure: true } as const;

describe('what somebody writes into a document', () => {
  it('is written by the grammar above where nothing is hostile', () => {
    expect(base.size).toBeGreaterThan(20);
    for (const batch of [...base.values(), ...batchesOf(dataPlaneSnapshot())]) assertOurs(batch);
  });

  it('of a manifest is refused where it stands, or is a value and no more', () => {
    let refused = 0;
    let accepted = 0;
    fc.assert(
      fc.property(fc.constantFrom(...texts), twist, (text, twisted) => {
        const value = twisted(text);
        const document = withText(everything as unknown as Json, text, value);
        const refusal = refusalOf(() => parseManifest(document));
        if (refusal !== undefined) {
          refused += 1;
          const places = placesOf(document, value);
          for (const { path } of refusal.problems)
            expect(places.some((place) => place === path || place.startsWith(`${path}/`) || path.startsWith(`${place}/`))).toBe(true);
          return;
        }
        let snapshot: Snapshot | undefined;
        refusalOf(() => {
          snapshot = applied(document as unknown as Manifest);
        });
        if (snapshot === undefined) return;
        accepted += 1;
        for (const batch of batchesOf(snapshot)) assertOurs(batch);
      }),
      { ...runs, numRuns: 80 },
    );
    // It went both ways.
    expect(Math.min(refused, accepted)).toBeGreaterThan(10);
  });

  it('into one noun, or into flannel, is refused with a path, or taken', () => {
    const documents = {
      node: everything.nodes?.[0],
      network: everything.networks?.[3],
      service: everything.services?.[0],
      endpoint: everything.endpoints?.[4],
    } as const;
    fc.assert(
      fc.property(fc.constantFrom(...nounKinds), fc.nat(), twist, (kind, which, twisted) => {
        const document = documents[kind] as unknown as Json;
        const all = textsOf(document);
        const text = all[which % all.length] ?? '';
        refusalOf(() => parseSpec(kind, withText(document, text, twisted(text))));
        refusalOf(() => parseFlannel(withText(everything.flannel as unknown as Json, '10.244.0.0/16', twisted('10.244.0.0/16'))));
      }),
      { ...runs, numRuns: 400 },
    );
  });

  it('of any shape is refused, or is a manifest', () => {
    fc.assert(
      fc.property(
        fc.anything({ withNullPrototype: true }),
        fc.constantFrom('settings', 'nodes', 'networks', 'services', 'endpoints', 'flannel'),
        (value, section) => {
          refusalOf(() => parseManifest(value));
          refusalOf(() => parseManifest({ [section]: value }));
          refusalOf(() => parseManifest({ [section]: [value] }));
        },
      ),
      { ...runs, numRuns: 250 },
    );
  });

  it.each([
    ['services/3/ports/0/interfaces/0', ['eth0"', 'a"b', '-jACCEPT', '!', 'eth+', "e'", 'e\\', 'e\0', 'e;f', '💣']],
    [
      'endpoints/0/attachment/netns',
      [
        '/run/netns/a b',
        '/run/netns/a\nlink delete dev eth0',
        '/run/netns/../../proc/1/ns/net',
        '/run//netns',
        '/run/netns/',
        '/run/netns/a"',
        '/run/netns/#',
        '/run/netns/a\0',
        '/a\\b',
      ],
    ],
    ['endpoints/12/attachment/container', ['--format={{.Id}}', '-f', 'a b', 'a\n', '$(x)', 'a/../b', '']],
    ['endpoints/4/aliases/0', ['a b', 'a"', '-a', 'a\n', '../x']],
  ] as const)('at %s is refused there', (place, values) => {
    const parts = place.split('/');
    const [text = ''] = [parts.reduce<unknown>((value, part) => (value as Record<string, unknown>)[part], everything)];
    for (const value of values) {
      const refusal = refusalOf(() => parseManifest(withText(everything as unknown as Json, String(text), value)));
      expect(
        refusal?.problems.map(({ path }) => path),
        JSON.stringify(value),
      ).toContain(`/${place}`);
    }
  });
});
