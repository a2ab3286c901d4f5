import { type Answer, decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createResponder } from '../../src/dns/responder.js';
import { NameTable } from '../../src/dns/table.js';
import { cutTo, framed, isAnswerTo, messageReader, questionEnd, questionName } from '../../src/dns/wire.js';
import { clientBody, studyNames } from './records.js';
import { edns, query } from './stage.js';

const texts: Answer[] = Array.from({ length: 20 }, (_, i) => ({ type: 'TXT', name: 'example.com', ttl: 60, data: `${i} ${'x'.repeat(40)}` }));
const nameServers: Answer[] = [{ type: 'NS', name: 'example.com', ttl: 60, data: 'ns.example.com' }];
const asked = query('example.com', 'TXT', { id: 7 });
const end = questionEnd(asked);
const full = encode({
  type: 'response',
  id: 7,
  flags: 0x180,
  questions: [{ name: 'example.com', type: 'TXT' }],
  answers: texts,
  authorities: nameServers,
  additionals: [{ type: 'A', name: 'ns.example.com', ttl: 60, data: '192.0.2.1' }, ...(edns(1232) ?? [])],
});

describe('cutTo', () => {
  it('keeps whole records and OPT, and says what is missing, at every size', () => {
    for (let limit = 60; limit <= full.length + 1; limit++) {
      const cut = cutTo(full, limit);
      expect(cut.length).toBeLessThanOrEqual(limit);
      const packet = decode(cut);
      const count = packet.answers?.length ?? 0;
      expect(packet.answers?.map((record) => record.type === 'TXT' && String(record.data))).toEqual(
        texts.slice(0, count).map((record) => record.type === 'TXT' && String(record.data)),
      );
      expect(packet.additionals?.filter(({ type }) => type === 'OPT').length).toBe(1);
      expect(packet.flag_tc).toBe(count < texts.length || packet.authorities?.length === 0);
      if (count < texts.length) expect(packet.authorities).toEqual([]);
    }
    expect(cutTo(full, full.length)).toBe(full);
    const withoutAdditional = decode(cutTo(full, full.length - 1));
    expect([withoutAdditional.flag_tc, withoutAdditional.authorities?.length, withoutAdditional.additionals?.length]).toEqual([false, 1, 1]);
  });
});

describe('isAnswerTo', () => {
  it('takes the answer, in any case of the name, and one that leaves the question out when it fails', () => {
    expect(isAnswerTo(asked, full, end)).toBe(true);
    const otherCase = Buffer.from(full);
    otherCase.write('EXAMPLE', 13, 'latin1');
    expect(isAnswerTo(asked, otherCase, end)).toBe(true);
    expect(isAnswerTo(asked, encode({ type: 'response', id: 7, flags: 0x182 }), end)).toBe(true);
    expect(isAnswerTo(asked, encode({ type: 'response', id: 7, flags: 0x180 }), end)).toBe(false);
    expect(isAnswerTo(asked, encode({ type: 'response', id: 8, flags: 0x182 }), end)).toBe(false);
    expect(isAnswerTo(asked, asked, end)).toBe(false);
  });
});

describe('any bytes', () => {
  const responder = createResponder(
    studyNames.reduce((table, body) => {
      table.change({ key: `dns-name/host/${body.network}/${body.name}`, body });
      return table;
    }, new NameTable()),
    () => 0,
  );
  const view = responder.viewOf(clientBody(['app'], { forwards: true }));
  const mutated = fc
    .tuple(fc.constantFrom(full, asked, query('tasks.web', 'A', { additionals: edns(600) })), fc.array(fc.tuple(fc.nat(2_000), fc.nat(255))), fc.nat(2_000))
    .map(([message, changes, length]) => {
      const copy = Buffer.from(message);
      for (const [at, byte] of changes) copy[at % copy.length] = byte;
      return copy.subarray(0, length % 3 === 0 ? length % copy.length : copy.length);
    });

  it('are read without a throw, and what is replied can be read', () => {
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 80 }).map(Buffer.from)), (message) => {
        isAnswerTo(asked, message, end);
        expect(cutTo(message, 100).length).toBeLessThanOrEqual(100);
        for (const transport of ['udp', 'tcp'] as const) {
          const reaction = responder.react(message, view, transport);
          if (reaction.kind !== 'reply') continue;
          const reply = decode(reaction.message);
          expect([reply.type, reply.id]).toEqual(['response', message.readUInt16BE(0)]);
        }
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('questions', () => {
  it('are named so that a dot within a label is no dot between labels', () => {
    const message = query('web.app');
    expect(questionName(message)).toBe('web.app');
    // One label of seven bytes, one of them a dot.
    const odd = Buffer.concat([message.subarray(0, 12), Buffer.from([7]), Buffer.from('web.app'), Buffer.from([0, 0, 1, 0, 1])]);
    expect(questionEnd(odd)).toBe(odd.length);
    expect(questionName(odd)).toBe('web\\.app');
  });

  it('have no pointers and end within the message', () => {
    const header = Buffer.alloc(12);
    expect(questionEnd(Buffer.concat([header, Buffer.from([0xc0, 12, 0, 1, 0, 1])]))).toBe(-1);
    expect(questionEnd(Buffer.concat([header, Buffer.from([3, 97, 98])]))).toBe(-1);
    expect(questionEnd(Buffer.concat([header, Buffer.from([0, 0, 1, 0])]))).toBe(-1);
    expect(questionEnd(Buffer.concat([header, Buffer.alloc(256, Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 97)])), Buffer.alloc(5)]))).toBe(-1);
  });
});

describe('the kept answers', () => {
  it('are encoded once for each view and question, until the table changes', () => {
    const table = new NameTable();
    for (const body of studyNames) table.change({ key: `dns-name/host/${body.network}/${body.name}`, body });
    const responder = createResponder(table, () => 0);
    const view = responder.viewOf(clientBody(['app']));
    for (let i = 0; i < 10; i++) for (const name of ['web', 'WEB', 'tasks.web']) responder.react(query(name), view, 'udp');
    expect(responder.encoded).toBe(2);
    expect(responder.viewOf(clientBody(['app']))).toBe(view);
    responder.react(query('web'), responder.viewOf(clientBody(['app', 'back'])), 'udp');
    expect(responder.encoded).toBe(3);
    responder.forget();
    responder.react(query('web'), responder.viewOf(clientBody(['app'])), 'udp');
    expect(responder.encoded).toBe(4);
  });
});

describe('messageReader', () => {
  it('gives the messages whatever the chunks are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        (messages, sizes) => {
          const bytes = Buffer.concat(messages.map((message) => framed(Buffer.from(message))));
          const read = messageReader();
          const found: Buffer[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            found.push(...read(Buffer.from(bytes.subarray(at, at + size))));
            at += size;
          }
          expect(found.map((message) => message.toString('hex'))).toEqual(messages.map((message) => Buffer.from(message).toString('hex')));
        },
      ),
      { numRuns: 200 },
    );
  });
});
