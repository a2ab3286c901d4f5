import type { Worker } from 'node:worker_threads';
import { kernelObject } from '@portolan/node-state';
import { decode } from 'dns-packet';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { type AgentNameServer, openNameServer } from '../../src/dns/name-server.js';
import { startDnsWorker } from '../../src/dns/start-worker.js';
import { framed } from '../../src/dns/wire.js';
import type { Log } from '../../src/log.js';
import { until } from '../stage.js';
import { builtWorker } from './built-worker.js';
import { clientBody, nameBody, serverBody, setLines, studyNames } from './records.js';
import { addressesOf, answerTo, ask, askByTcp, askRaw, connected, edns, type FakeServer, fakeServer, openStage, query, type Stage, udpIn } from './stage.js';

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const UPSTREAM_PORT = 5353;

let stage: Stage;
let server: AgentNameServer;
let worker: Worker | undefined;
let built: typeof startDnsWorker;
/** How a test starts the thread. */
let start: typeof startDnsWorker;
let incarnation = 0;
const fakes: FakeServer[] = [];

/** The namespace of an endpoint, as the kernel finds it. */
function placeOf(name: string): { path: string; incarnation: string } {
  return { path: stage.namespace(name), incarnation: `${name}@${incarnation}` };
}

/** The client of one endpoint with the study's networks. */
function clientOf(endpoint: string, more: Parameters<typeof clientBody>[1] = {}) {
  return { space: `endpoint:${endpoint}` as const, body: clientBody(['app', 'back'], more) };
}

function fake(address: string, answer: Parameters<typeof fakeServer>[3]): FakeServer {
  const made = fakeServer(stage.namespace('dns-elsewhere'), address, UPSTREAM_PORT, answer);
  fakes.push(made);
  return made;
}

const study = studyNames.map((body) => ({ body }));

beforeAll(async () => {
  stage = openStage();
  built = await builtWorker(stage.folder);
});
afterAll(() => stage.dispose());
beforeEach(() => {
  incarnation += 1;
  start = built;
  server = openNameServer({
    clock: systemClock,
    log: silent,
    resolvConf: stage.file('resolv.conf', 'nameserver 127.0.0.11\nnameserver 127.9.0.9\n'),
    upstreams: { from: stage.namespace('dns-elsewhere'), port: UPSTREAM_PORT },
    start: (settings) => {
      worker = start(settings);
      return worker;
    },
  });
});
afterEach(async () => {
  await server.close();
  for (const made of fakes.splice(0)) made.close();
});

describe('in the namespace of an endpoint', () => {
  it('answers by UDP and TCP, each client by what it sees', async () => {
    const a = placeOf('dns-a');
    const b = placeOf('dns-b');
    await server.change(setLines([{ body: serverBody({ ttl: 7 }) }, ...study, clientOf('a'), { space: 'endpoint:b', body: clientBody(['other']) }]), { a, b });
    const answer = await ask(a.path, query('WEB.app'));
    expect(answer).toMatchObject({ rcode: 'NOERROR', flag_qr: true, flag_aa: true, flag_ra: true, flag_rd: true, flag_tc: false });
    expect(answer.questions).toEqual([{ name: 'WEB.app', type: 'A', class: 'IN' }]);
    expect(answer.answers).toEqual([expect.objectContaining({ name: 'WEB.app', type: 'A', ttl: 7, data: '10.0.1.2' })]);
    expect(await ask(b.path, query('web'))).toMatchObject({ rcode: 'NXDOMAIN', answers: [] });
    expect(addressesOf(await ask(b.path, query('secret')))).toEqual(['10.0.9.9']);

    expect(await ask(a.path, query('web', 'AAAA'))).toMatchObject({ rcode: 'NOERROR', answers: [] });
    expect(await ask(a.path, query('web', 'MX'))).toMatchObject({ rcode: 'NOERROR', answers: [] });
    const pointer = await ask(a.path, query('10.1.0.10.in-addr.arpa', 'PTR'));
    expect(pointer.answers).toEqual([expect.objectContaining({ type: 'PTR', data: 'web-1.app' })]);

    const [first, second] = await askByTcp(a.path, [query('store'), query('tasks.web')]);
    expect(first && addressesOf(first)).toEqual(['10.0.2.3']);
    expect(second && addressesOf(second).sort()).toEqual(['10.0.1.10', '10.0.1.11', '10.0.1.12']);
    expect(server.stats()).toMatchObject({ answered: 7, nxdomain: 1, forwarded: 0, open: 0 });
  });

  it('gives several addresses in every order, all of them each time', async () => {
    const a = placeOf('dns-a');
    await server.change(setLines([...study, clientOf('a')]), { a });
    const orders = new Set<string>();
    for (let i = 0; i < 120; i++) {
      const addresses = addressesOf(await ask(a.path, query('tasks.web')));
      expect([...addresses].sort()).toEqual(['10.0.1.10', '10.0.1.11', '10.0.1.12']);
      orders.add(addresses.join());
    }
    expect(orders.size).toBe(6);
  });

  it('cuts an answer by UDP to what the client takes, and gives it whole by TCP', async () => {
    const many = Array.from({ length: 100 }, (_, i) => `10.0.4.${i}`);
    const a = placeOf('dns-a');
    await server.change(setLines([{ body: nameBody('app', 'many', many) }, clientOf('a')]), { a });
    const classic = await askRaw(a.path, query('many'));
    expect(classic?.length).toBeLessThanOrEqual(512);
    const cut = await ask(a.path, query('many'));
    expect(cut.flag_tc).toBe(true);
    expect(addressesOf(cut).length).toBe(Math.floor((512 - 12 - 10) / 16));
    expect(new Set(addressesOf(cut)).size).toBe(addressesOf(cut).length);
    const wide = await ask(a.path, query('many', 'A', { additionals: edns(1232) }));
    expect(addressesOf(wide).length).toBe(Math.floor((1232 - 12 - 10 - 11) / 16));
    const whole = await ask(a.path, query('many', 'A', { additionals: edns(4096) }));
    expect(whole.flag_tc).toBe(false);
    expect(addressesOf(whole).sort()).toEqual([...many].sort());
    expect(whole.additionals).toEqual([expect.objectContaining({ type: 'OPT', udpPayloadSize: 1232, ednsVersion: 0 })]);
    const [byTcp] = await askByTcp(a.path, [query('many')]);
    expect(byTcp && [addressesOf(byTcp).length, byTcp.flag_tc]).toEqual([100, false]);
  });

  it('reads TCP in any pieces, and many queries of one connection', async () => {
    const a = placeOf('dns-a');
    await server.change(setLines([...study, clientOf('a')]), { a });
    const messages = Array.from({ length: 50 }, () => query('web'));
    for (const pieces of [1, 7, 1000]) expect((await askByTcp(a.path, messages, pieces)).map(addressesOf)).toEqual(messages.map(() => ['10.0.1.2']));
  });

  it('refuses what it does not do', async () => {
    const a = placeOf('dns-a');
    await server.change(setLines([...study, clientOf('a')]), { a });
    expect(await ask(a.path, query('web', 'AXFR'))).toMatchObject({ rcode: 'REFUSED' });
    expect(await ask(a.path, query('web', 'A', { questions: [{ name: 'web', type: 'A', class: 'CH' }] }))).toMatchObject({ rcode: 'REFUSED' });
    expect(await ask(a.path, query('web', 'A', { flags: 5 << 11 }))).toMatchObject({ rcode: 'NOTIMP' });
    const two = [{ name: 'web', type: 'A' } as const, { name: 'www', type: 'A' } as const];
    expect(await ask(a.path, query('web', 'A', { questions: two }))).toMatchObject({ rcode: 'FORMERR' });
    const version = edns(1232);
    const [opt] = version ?? [];
    if (opt?.type === 'OPT') opt.ednsVersion = 1;
    const bad = await ask(a.path, query('web', 'A', { additionals: version }));
    expect(bad.additionals).toEqual([expect.objectContaining({ type: 'OPT', extendedRcode: 1 })]);
    expect(bad.answers).toEqual([]);
  });

  it('is not moved by 10,000 mutated messages, and answers no answer', async () => {
    const a = placeOf('dns-a');
    await server.change(setLines([...study, clientOf('a')]), { a });
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    const seeds = [query('tasks.web', 'A', { additionals: edns(1232) }), query('web'), query('10.1.0.10.in-addr.arpa', 'PTR')];
    const socket = udpIn(a.path);
    let replies = 0;
    const wrong: string[] = [];
    socket.on('message', (message) => {
      replies += 1;
      if (message.length < 12 || ((message[2] ?? 0) & 0x80) === 0) wrong.push(message.toString('hex'));
    });
    for (let i = 0; i < 10_000; i++) {
      const message = Buffer.from(seeds[random(seeds.length)] ?? []);
      for (let changes = 1 + random(6); changes > 0; changes--) message[random(message.length)] = random(256);
      const end = random(4) === 0 ? random(message.length) : message.length;
      socket.send(message.subarray(0, end), 11053, '127.0.0.11');
      // Its buffer holds a few hundred: what it cannot take is lost, as ever with UDP.
      if (i % 100 === 0) expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    }
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    expect(await askRaw(a.path, answerTo(await ask(a.path, query('web')), ['10.0.1.2']), 100)).toBeUndefined();
    socket.close();
    expect(wrong).toEqual([]);
    expect(replies).toBeGreaterThan(1_000);
    const garbage = await connected(a.path);
    garbage.write(Buffer.from([0, 3, 1, 2, 3, 255, 255, 0]));
    garbage.destroy();
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    const { answered, refused, dropped } = server.stats();
    expect(Math.min(answered, refused, dropped)).toBeGreaterThan(0);
  });

  it('changes at once, all or nothing, and is observed as it is', async () => {
    const a = placeOf('dns-a');
    const found = { a };
    await server.change(setLines([...study, clientOf('a')]), found);
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    await server.change(setLines([{ body: nameBody('app', 'web', ['10.0.1.77']) }]), found);
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.77']);
    const before = server.observed(found);
    expect(before.length).toBe(studyNames.length + 1);
    await expect(server.change(setLines([{ body: nameBody('app', 'web', []) }, clientOf('b')]), found)).rejects.toMatchObject({ code: 'apply-failed' });
    await expect(server.change(`delete dns-name/host/app/web\nnonsense\n`, found)).rejects.toMatchObject({ code: 'apply-failed' });
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.77']);
    expect(server.observed(found)).toEqual(before);
    await server.change('delete dns-name/host/app/web\ndelete dns-client/endpoint:a\n', found);
    expect(server.observed(found).length).toBe(studyNames.length - 1);
    expect(await askRaw(a.path, query('www'), 100)).toBeUndefined();
  });

  it('lets go of a namespace that has gone, and serves its next incarnation', async () => {
    const a = placeOf('dns-gone');
    await server.change(setLines([...study, clientOf('a')]), { a });
    expect(server.observed({ a }).some(({ kind }) => kind === 'dns-client')).toBe(true);
    expect(server.observed({}).some(({ kind }) => kind === 'dns-client')).toBe(false);
    // The sockets are closed: the address is free in that namespace again.
    await until(() => {
      try {
        fakeServer(a.path, '127.0.0.11', 11053, () => []).close();
        return true;
      } catch {
        return false;
      }
    }, 'sockets are closed');
    stage.remove('dns-gone');
    incarnation += 1;
    const again = placeOf('dns-gone');
    await server.change(setLines([clientOf('a')]), { a: again });
    expect(server.observed({ a }).some(({ kind }) => kind === 'dns-client')).toBe(false);
    await server.change(setLines([clientOf('a')]), { a: again });
    expect(server.observed({ a: again }).some(({ kind }) => kind === 'dns-client')).toBe(true);
    expect(addressesOf(await ask(again.path, query('web')))).toEqual(['10.0.1.2']);
  });

  it('replaces sockets of an earlier incarnation in one namespace', async () => {
    const a = placeOf('dns-a');
    await server.change(setLines([...study, clientOf('a')]), { a });
    const later = { ...a, incarnation: 'later' };
    await server.change(setLines([clientOf('a')]), { a: later });
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    expect(server.observed({ a: later }).some(({ kind }) => kind === 'dns-client')).toBe(true);
    // Away and back in one change is no change.
    await server.change(`delete dns-client/endpoint:a\n${setLines([clientOf('a')])}`, { a: later });
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
  });

  it('is restored from a state at once, without the clients that are not there, also when it runs from the sources', async () => {
    start = startDnsWorker;
    const a = placeOf('dns-a');
    const objects = [...study, clientOf('a'), clientOf('missing')].map(({ body, ...at }) =>
      kernelObject('space' in at ? at.space : 'host', body, { computedBy: 'dns' }),
    );
    await server.restore([kernelObject('own:x', { kind: 'namespace' }, { computedBy: 'overlay' }), ...objects], { a });
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    const keys = server.observed({ a }).map(({ key, hash }) => `${key} ${hash}`);
    expect(keys.sort()).toEqual(
      objects
        .filter(({ space }) => space !== 'endpoint:missing')
        .map(({ key, hash }) => `${key} ${hash}`)
        .sort(),
    );
  });

  it('starts its thread again when it dies, and tells it everything', async () => {
    const a = placeOf('dns-a');
    await server.change(setLines([...study, clientOf('a')]), { a });
    const first = worker;
    await first?.terminate();
    expect(server.observed({ a }).some(({ kind }) => kind === 'dns-client')).toBe(false);
    await until(() => server.observed({ a }).some(({ kind }) => kind === 'dns-client'), 'served again');
    expect(worker).not.toBe(first);
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    expect(server.stats().answered).toBe(1);
  });
});

describe('several endpoints at once', () => {
  it('are served each by its own view, with many queries open', async () => {
    const names = ['dns-a', 'dns-b', 'dns-c'];
    const found = Object.fromEntries(names.map((name) => [name, placeOf(name)]));
    const own = names.map((name, i) => ({ body: nameBody(name, 'web', [`10.0.7.${i}`]) }));
    const elsewhere = fake('127.9.0.1', (packet) => [answerTo(packet, ['192.0.2.1'])]);
    await server.change(
      setLines([
        { body: serverBody({ upstreams: ['127.9.0.1'] }) },
        ...own,
        ...names.map((name) => ({ space: `endpoint:${name}` as const, body: clientBody([name], { forwards: true }) })),
      ]),
      found,
    );
    const answers = await Promise.all(
      names.map(async (name, i) => {
        const socket = udpIn(stage.namespace(name));
        const expected = new Map(Array.from({ length: 60 }, (_, j) => [j, j % 3 === 0 ? '192.0.2.1' : `10.0.7.${i}`]));
        const wrong: string[] = [];
        await new Promise<void>((resolve) => {
          socket.on('message', (message) => {
            const packet = decode(message);
            const address = expected.get(packet.id ?? -1);
            if (addressesOf(packet).join() !== address) wrong.push(`${name} ${packet.id}: ${addressesOf(packet).join()}`);
            expected.delete(packet.id ?? -1);
            if (expected.size === 0) resolve();
          });
          for (let j = 0; j < 60; j++) socket.send(query(j % 3 === 0 ? `n${j}.example` : 'web', 'A', { id: j }), 11053, '127.0.0.11');
        });
        socket.close();
        return wrong;
      }),
    );
    expect(answers.flat()).toEqual([]);
    expect(elsewhere.seen.length).toBe(60);
  });
});

describe('other names', () => {
  it('are asked of the configured servers with another id, and the answer is passed on whole', async () => {
    const a = placeOf('dns-a');
    const elsewhere = fake('127.9.0.1', (packet) => [answerTo(packet, ['192.0.2.1'], { additionals: edns(1400) })]);
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.9.0.1'] }) }, ...study, clientOf('a', { forwards: true })]), { a });
    const asked = query('Example.com', 'A', { id: 77, additionals: edns(1300) });
    const answer = await ask(a.path, asked);
    expect(answer).toMatchObject({ id: 77, rcode: 'NOERROR', flag_aa: false, questions: [{ name: 'Example.com' }] });
    expect(addressesOf(answer)).toEqual(['192.0.2.1']);
    const [seen] = elsewhere.seen;
    expect(seen?.packet.additionals).toEqual([expect.objectContaining({ type: 'OPT', udpPayloadSize: 1300 })]);
    for (let i = 0; i < 8; i++) await ask(a.path, asked);
    expect(new Set(elsewhere.seen.map(({ packet }) => packet.id)).size).toBeGreaterThan(6);
    expect(new Set(elsewhere.seen.map(({ port }) => port)).size).toBeGreaterThan(6);
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    expect(server.stats()).toMatchObject({ forwarded: 9, answered: 1, open: 0 });
    expect(server.stats().forwardSeconds).toBeGreaterThanOrEqual(0);
  });

  it("are asked of the host's servers, without a loop, and of those of a file that changes", async () => {
    const a = placeOf('dns-a');
    const first = fake('127.9.0.9', (packet) => [answerTo(packet, ['192.0.2.9'])]);
    fake('127.9.0.8', (packet) => [answerTo(packet, ['192.0.2.8'])]);
    await server.change(setLines([clientOf('a', { forwards: true })]), { a });
    expect(addressesOf(await ask(a.path, query('example.com')))).toEqual(['192.0.2.9']);
    expect(first.seen.length).toBe(1);
    stage.file('resolv.conf', '# changed\nnameserver 127.9.0.8\n');
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(addressesOf(await ask(a.path, query('example.com')))).toEqual(['192.0.2.8']);
  });

  it('are asked by TCP when the client does, and when the answer is truncated', async () => {
    const a = placeOf('dns-a');
    const many = Array.from({ length: 60 }, (_, i) => `192.0.2.${i}`);
    const elsewhere = fake('127.9.0.1', (packet, transport) => [
      transport === 'tcp' ? answerTo(packet, many) : answerTo(packet, many.slice(0, 3), { flags: 0x380 }),
    ]);
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.9.0.1'] }) }, clientOf('a', { forwards: true })]), { a });
    const [byTcp] = await askByTcp(a.path, [query('example.com')]);
    expect(byTcp && addressesOf(byTcp)).toEqual(many);
    expect(elsewhere.seen.map(({ transport }) => transport)).toEqual(['tcp']);
    const wide = await ask(a.path, query('example.com', 'A', { additionals: edns(4096) }));
    expect([addressesOf(wide).length, wide.flag_tc]).toEqual([60, false]);
    expect(elsewhere.seen.map(({ transport }) => transport)).toEqual(['tcp', 'udp', 'tcp']);
    const raw = await askRaw(a.path, query('example.com'));
    expect(raw?.length).toBeLessThanOrEqual(512);
    const cut = await ask(a.path, query('example.com'));
    expect(cut.flag_tc).toBe(true);
    expect(addressesOf(cut)).toEqual(many.slice(0, addressesOf(cut).length));
    expect(addressesOf(cut).length).toBeGreaterThan(10);
  });

  it('come from the next server when one fails, refuses or is not there; NXDOMAIN is final', async () => {
    const a = placeOf('dns-a');
    const failing = fake('127.9.0.1', (packet) => [answerTo(packet, [], { flags: packet.questions?.[0]?.name === 'none.example' ? 0x183 : 0x182 })]);
    const refusing = fake('127.9.0.2', (packet) => [answerTo(packet, [], { flags: 0x185 })]);
    const good = fake('127.9.0.3', (packet) => [answerTo(packet, ['192.0.2.3'])]);
    const upstreams = ['127.9.0.1', '127.9.0.2', '127.9.0.3'];
    await server.change(setLines([{ body: serverBody({ upstreams }) }, clientOf('a', { forwards: true })]), { a });
    expect(addressesOf(await ask(a.path, query('example.com')))).toEqual(['192.0.2.3']);
    expect([failing, refusing, good].map(({ seen }) => seen.length)).toEqual([1, 1, 1]);
    expect(await ask(a.path, query('none.example'))).toMatchObject({ rcode: 'NXDOMAIN' });
    expect([failing, refusing, good].map(({ seen }) => seen.length)).toEqual([2, 1, 1]);
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.9.0.1', '127.9.0.2'] }) }]), { a });
    expect(await ask(a.path, query('example.com'))).toMatchObject({ rcode: 'REFUSED' });
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.9.0.4', '127.9.0.3'] }) }]), { a });
    expect(addressesOf(await ask(a.path, query('example.com')))).toEqual(['192.0.2.3']);
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.9.0.4'] }) }]), { a });
    expect(await ask(a.path, query('example.com'))).toMatchObject({ rcode: 'SERVFAIL' });
    expect(server.stats()).toMatchObject({ servfail: 1 });
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.0.0.11'] }) }]), { a });
    expect(await ask(a.path, query('example.com'))).toMatchObject({ rcode: 'SERVFAIL' });
  });

  it('are not believed from a wrong id, question or cut message', async () => {
    const a = placeOf('dns-a');
    fake('127.9.0.1', (packet) => {
      const right = answerTo(packet, ['192.0.2.1']);
      return [
        answerTo({ ...packet, id: ((packet.id ?? 0) + 1) & 0xffff }, ['198.51.100.1']),
        answerTo({ ...packet, questions: [{ name: 'another.example', type: 'A' }] }, ['198.51.100.2']),
        answerTo(packet, ['198.51.100.3'], { type: 'query' }),
        right.subarray(0, right.length - 2),
        Buffer.from([1, 2, 3]),
        right,
      ];
    });
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.9.0.1'] }) }, clientOf('a', { forwards: true })]), { a });
    expect(addressesOf(await ask(a.path, query('example.com')))).toEqual(['192.0.2.1']);
  });

  it('are asked for so many at once only, and a silent server for a few seconds', async () => {
    const a = placeOf('dns-a');
    let silence = true;
    fake('127.9.0.1', (packet) => (silence ? [] : [answerTo(packet, ['192.0.2.1'])]));
    await server.change(setLines([{ body: serverBody({ upstreams: ['127.9.0.1'] }) }, ...study, clientOf('a', { forwards: true })]), { a });
    const began = Date.now();
    const socket = await connected(a.path);
    socket.write(Buffer.concat(Array.from({ length: 1_030 }, () => framed(query('example.com')))));
    await until(() => server.stats().open === 1_024 && server.stats().servfail === 6, 'the limit is reached');
    expect(await ask(a.path, query('example.com'))).toMatchObject({ rcode: 'SERVFAIL' });
    expect(addressesOf(await ask(a.path, query('web')))).toEqual(['10.0.1.2']);
    await until(() => server.stats().open === 0, 'given up', 8_000);
    expect(Date.now() - began).toBeGreaterThan(4_000);
    expect(server.stats().servfail).toBe(1_031);
    socket.destroy();
    silence = false;
    expect(addressesOf(await ask(a.path, query('example.com')))).toEqual(['192.0.2.1']);
  });
});
