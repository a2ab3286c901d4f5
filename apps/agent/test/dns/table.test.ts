import type { DnsNameBody } from '@portolan/node-state';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changesIn } from '../../src/dns/changes.js';
import { type Answer, type Asker, NameTable, recordType } from '../../src/dns/table.js';
import { nameBody, serverBody, setLines, studyNames } from './records.js';

function tableOf(names: readonly DnsNameBody[]): NameTable {
  const table = new NameTable();
  for (const change of changesIn(setLines(names.map((body) => ({ body }))))) table.change(change);
  return table;
}

const study = tableOf(studyNames);
const asker: Asker = { networks: ['app', 'back', 'back.end'], forwards: true };
const a = (name: string, by: Asker = asker): Answer => study.answerTo({ name, type: recordType.A }, by);
const ptr = (name: string, by: Asker = asker): Answer => study.answerTo({ name, type: recordType.PTR }, by);
const addresses = (...found: string[]): Answer => ({ outcome: 'addresses', addresses: found });

describe('names as under Docker', () => {
  it.each<[string, string, Answer]>([
    ['a service', 'web', addresses('10.0.1.2')],
    ['an alias of it', 'www', addresses('10.0.1.2')],
    ['a service by dnsrr', 'api', addresses('10.0.1.20', '10.0.1.21')],
    ['tasks of a service', 'tasks.web', addresses('10.0.1.10', '10.0.1.11', '10.0.1.12')],
    ['tasks of an alias', 'tasks.www', addresses('10.0.1.10', '10.0.1.11', '10.0.1.12')],
    ['an endpoint', 'web-1', addresses('10.0.1.10')],
    ['a name of the second network', 'store', addresses('10.0.2.3')],
    ['with the network', 'web.app', addresses('10.0.1.2')],
    ['with the other network', 'web.back', addresses('10.0.2.2')],
    ['tasks with the network', 'tasks.web.app', addresses('10.0.1.10', '10.0.1.11', '10.0.1.12')],
    ['an endpoint with the network', 'web-2.app', addresses('10.0.1.11')],
    ['a name with a dot, whole', 'db.primary', addresses('10.0.1.40')],
    ['a name with a dot, in a network', 'db.primary.app', addresses('10.0.1.40')],
    ['a network with a dot', 'store.back.end', addresses('10.0.3.3')],
    ['any case', 'WeB.ApP', addresses('10.0.1.2')],
    ['the first network has no address of it', 'idle', addresses('10.0.2.4')],
    ['no address at all', 'idle.app', { outcome: 'empty' }],
    ['a network that the asker has not', 'secret', { outcome: 'forward' }],
    ['the same with the network', 'secret.other', { outcome: 'forward' }],
    ['a name of another network', 'store.app', { outcome: 'forward' }],
    ['a name elsewhere', 'example.com', { outcome: 'forward' }],
    ['a single label elsewhere', 'nas', { outcome: 'forward' }],
    ['tasks of nothing', 'tasks.gone', { outcome: 'nxdomain' }],
    ['tasks of nothing in a network', 'tasks.gone.app', { outcome: 'nxdomain' }],
    ['tasks elsewhere', 'tasks.example.com', { outcome: 'forward' }],
    ['the root', '', { outcome: 'forward' }],
  ])('%s: %s', (_what, name, answer) => {
    expect(a(name)).toEqual(answer);
  });

  it('searches the networks in the order of the asker', () => {
    expect(a('web', { ...asker, networks: ['back', 'app'] })).toEqual(addresses('10.0.2.2'));
  });

  it.each([28, 15, 33, 16, 65])('has nothing of type %d for a name that is known', (type) => {
    expect(study.answerTo({ name: 'web', type }, asker)).toEqual({ outcome: 'empty' });
    expect(study.answerTo({ name: 'example.com', type }, asker)).toEqual({ outcome: 'forward' });
  });

  it('answers ANY with the addresses', () => {
    expect(study.answerTo({ name: 'web', type: recordType.ANY }, asker)).toEqual(addresses('10.0.1.2'));
  });

  it('asks nobody else where the asker has no way out', () => {
    const inside: Asker = { ...asker, forwards: false };
    expect(a('example.com', inside)).toEqual({ outcome: 'nxdomain' });
    expect(a('secret', inside)).toEqual({ outcome: 'nxdomain' });
    expect(ptr('9.9.0.10.in-addr.arpa', inside)).toEqual({ outcome: 'nxdomain' });
    expect(a('web', inside)).toEqual(addresses('10.0.1.2'));
  });

  it('leads an address of an endpoint back to its name with the network, and no other', () => {
    expect(ptr('10.1.0.10.in-addr.arpa')).toEqual({ outcome: 'pointers', names: ['web-1.app'] });
    expect(ptr('10.1.0.10.IN-ADDR.arpa')).toEqual({ outcome: 'pointers', names: ['web-1.app'] });
    expect(a('10.1.0.10.in-addr.arpa')).toEqual({ outcome: 'empty' });
    // A VIP has no way back, as under Docker, and what is on a network of others is not told.
    for (const name of ['2.1.0.10.in-addr.arpa', '9.9.0.10.in-addr.arpa', '1.1.1.300.in-addr.arpa']) expect(ptr(name)).toEqual({ outcome: 'forward' });
  });

  it('tells members of a service with a health check of those that are not yet healthy', () => {
    expect(a('gated')).toEqual(addresses('10.0.1.50'));
    expect(a('gated', { ...asker, service: 'sid' })).toEqual(addresses('10.0.1.50', '10.0.1.51'));
    expect(a('gated', { ...asker, service: 'another' })).toEqual(addresses('10.0.1.50'));
    expect(a('gated-2')).toEqual({ outcome: 'empty' });
    expect(ptr('51.1.0.10.in-addr.arpa')).toEqual({ outcome: 'forward' });
    expect(ptr('51.1.0.10.in-addr.arpa', { ...asker, service: 'sid' })).toEqual({ outcome: 'pointers', names: ['gated-2.app'] });
  });
});

describe('changes', () => {
  it('replaces and removes', () => {
    const table = tableOf(studyNames);
    const ask = (name: string): Answer => table.answerTo({ name, type: name.endsWith('arpa') ? recordType.PTR : recordType.A }, asker);
    const change = (text: string): void => {
      for (const one of changesIn(text)) table.change(one);
    };
    change(setLines([{ body: nameBody('app', 'web-1', ['10.0.1.99'], { reverse: true }) }]));
    expect(ask('web-1')).toEqual(addresses('10.0.1.99'));
    expect(ask('10.1.0.10.in-addr.arpa')).toEqual({ outcome: 'forward' });
    expect(ask('99.1.0.10.in-addr.arpa')).toEqual({ outcome: 'pointers', names: ['web-1.app'] });
    change('delete dns-name/host/app/web-1\n');
    expect(ask('web-1')).toEqual({ outcome: 'forward' });
    expect(ask('99.1.0.10.in-addr.arpa')).toEqual({ outcome: 'forward' });
    change(setLines([{ body: serverBody({ ttl: 42, upstreams: ['192.0.2.1'] }) }]));
    expect([table.ttl, table.upstreams]).toEqual([42, ['192.0.2.1']]);
    change('delete dns-server/host');
    expect([table.ttl, table.upstreams]).toEqual([5, []]);
  });

  it.each([
    'set dns-name/host/app/web',
    'set dns-name/host/app/web {"kind":"dns-name","network":"app","name":"other","addresses":[]}',
    'set namespace/own:x {"kind":"namespace"}',
    'delete namespace/own:x',
    'forget everything',
  ])('refuses the line: %s', (line) => {
    expect(() => changesIn(`delete dns-server/host\n${line}\n`)).toThrow(expect.objectContaining({ code: 'apply-failed' }));
  });
});

/** The rules once more, as plainly as they can be said. */
function plainAnswer(bodies: readonly DnsNameBody[], name: string, { networks, service, forwards }: Asker): Answer {
  const labels = name.toLowerCase().split('.');
  const readings = [{ name: labels.join('.'), within: networks }];
  for (let i = labels.length - 1; i > 0; i--) {
    const suffix = labels.slice(i).join('.');
    readings.push({ name: labels.slice(0, i).join('.'), within: networks.filter((network) => network.toLowerCase() === suffix) });
  }
  const known = readings.flatMap((reading) =>
    reading.within.flatMap((network) => bodies.filter((body) => body.network === network && body.name === reading.name)),
  );
  const told = known.map((body) => (body.own && body.own.service === service ? body.own.addresses : body.addresses));
  const first = told.find((list) => list.length > 0);
  if (first) return { outcome: 'addresses', addresses: first };
  if (known.length > 0) return { outcome: 'empty' };
  const tasks = labels[0] === 'tasks' && labels.length > 1;
  const within = labels.slice(2).join('.');
  const ours = tasks && (labels.length === 2 || networks.some((network) => network.toLowerCase() === within));
  return { outcome: forwards && !ours ? 'forward' : 'nxdomain' };
}

describe('property', () => {
  const network = fc.constantFrom('a', 'b', 'a.b', 'B');
  const name = fc.constantFrom('x', 'y', 'x.a', 'x.y', 'tasks.x', 'tasks.y', 'a', 'x.a.b');
  const list = fc.uniqueArray(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'), { maxLength: 2 });
  const body = fc
    .record({ network, name, addresses: list, own: fc.option(fc.record({ service: fc.constantFrom('s', 't'), addresses: list }), { nil: undefined }) })
    .map(({ own, ...rest }): DnsNameBody => ({ kind: 'dns-name', ...rest, ...(own === undefined ? {} : { own }) }));

  it('answers as the plain rules say, whatever was there before', () => {
    fc.assert(
      fc.property(
        fc.array(body, { maxLength: 12 }),
        fc.uniqueArray(network, { maxLength: 4 }),
        fc.constantFrom('s', 't', undefined),
        fc.boolean(),
        fc.constantFrom('x', 'y', 'X.a', 'x.y.a', 'x.a.b', 'tasks.x', 'tasks.y.b', 'tasks.q', 'tasks.q.a', 'tasks.q.a.b', 'q', 'x.a.a.b', 'a.b', 'x.b'),
        fc.nat({ max: 12 }),
        (bodies, networks, service, forwards, asked, removed) => {
          const table = new NameTable();
          const keys = new Map<string, DnsNameBody>();
          for (const one of bodies) {
            const key = `dns-name/host/${one.network}/${one.name}`;
            keys.set(key, one);
            table.change({ key, body: one });
          }
          for (const key of [...keys.keys()].slice(0, removed)) {
            keys.delete(key);
            table.change({ key });
          }
          const by: Asker = { networks, forwards, ...(service === undefined ? {} : { service }) };
          expect(table.answerTo({ name: asked, type: recordType.A }, by)).toEqual(plainAnswer([...keys.values()], asked, by));
        },
      ),
      { numRuns: 2000 },
    );
  });
});
