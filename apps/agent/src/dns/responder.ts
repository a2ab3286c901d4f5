import { decode, encode } from 'dns-packet';
import { type Answer, type Asker, type NameTable, recordType } from './table.js';
import { CLASSIC_SIZE, type Edns, HEADER, isResponse, loneEdns, opcodeOf, POINTER_TO_QUESTION, questionEnd, questionName, type Rcode, rcode } from './wire.js';

/** What is to be done about a message of a client. */
export type Reaction =
  | { readonly kind: 'reply'; readonly message: Buffer; readonly outcome: 'answered' | 'nxdomain' | 'servfail' | 'refused' }
  | ToForward
  | { readonly kind: 'drop' };

/** A query to be asked elsewhere. */
export interface ToForward {
  readonly kind: 'forward';
  readonly query: Buffer;
  /** Where its question ends. */
  readonly end: number;
  readonly edns: Edns | undefined;
  /** Bytes that the answer may have. */
  readonly limit: number;
}

/** Records that follow a question of their own name, each with a pointer to it. */
export interface Encoded {
  readonly answer: Answer;
  /** All of them; they differ in their last bytes only when `step` is set, and are `step` bytes long each then. */
  readonly records: Buffer;
  /** Where each ends, from the beginning of `records`. */
  readonly ends: readonly number[];
  /** The addresses as numbers, in an order that each query changes; empty unless there are several. */
  readonly shuffled: Uint32Array;
}

/** Everything that clients of equal views are told. */
export interface View {
  readonly asker: Asker;
  /** By question as it is on the wire, in lower case. */
  readonly kept: Map<string, Encoded>;
}

const A_RECORD = 16;
const OPT_RECORD = 11;
/** What fits through every path without fragments (DNS flag day 2020); told to clients, who send us queries only. */
const EDNS_SIZE = 1232;
const MAX_MESSAGE = 65_535;
/** Answers that are kept encoded for each view; all are dropped when it is full. */
const KEPT = 16_384;
const drop: Reaction = { kind: 'drop' };
const nothing = new Uint32Array(0);

export interface Responder {
  /** The view of clients with equal networks, service and forwarding is one, until the next `forget`. */
  viewOf(asker: Asker): View;
  /** What to do about a message that came in by UDP or TCP. Never throws. */
  react(message: Buffer, view: View, transport: 'udp' | 'tcp'): Reaction;
  /** To be called when the table has changed; views are to be asked for anew then. */
  forget(): void;
  /** Answers that were made anew, not taken from those that are kept. */
  readonly encoded: number;
}

/** One record with the name `.`, by the library; without that name. */
function recordBody(answer: Parameters<typeof encode>[0]['answers']): Buffer {
  return encode({ type: 'response', answers: answer ?? [] }).subarray(HEADER + 1);
}

/**
 * Answers from the table. Encoded answers are kept for each view and question until the table changes: a repeated question costs a look-up
 * and a copy. The addresses are in another order each time; `random` gives integers from 0 to below its argument.
 */
export function createResponder(table: NameTable, random: (below: number) => number): Responder {
  const views = new Map<string, View>();
  let encoded = 0;

  function encodedAnswer(answer: Answer): Encoded {
    encoded += 1;
    const bodies =
      answer.outcome === 'addresses'
        ? answer.addresses.map((data) => recordBody([{ type: 'A', name: '.', ttl: table.ttl, data }]))
        : answer.outcome === 'pointers'
          ? answer.names.map((data) => recordBody([{ type: 'PTR', name: '.', ttl: table.ttl, data }]))
          : [];
    const pointer = Buffer.from([POINTER_TO_QUESTION >> 8, POINTER_TO_QUESTION & 0xff]);
    const records = Buffer.concat(bodies.flatMap((body) => [pointer, body]));
    let end = 0;
    const ends = bodies.map((body) => (end += body.length + pointer.length));
    const several = answer.outcome === 'addresses' && bodies.length > 1;
    return { answer, records, ends, shuffled: several ? Uint32Array.from(ends, (at) => records.readUInt32BE(at - 4)) : nothing };
  }

  function shuffle(order: Uint32Array): void {
    for (let i = order.length - 1; i > 0; i--) {
      const j = random(i + 1);
      const moved = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = moved;
    }
  }

  function reply(query: Buffer, end: number, { answer, records, ends, shuffled }: Encoded, edns: Edns | undefined, limit: number): Buffer {
    const tail = edns === undefined ? 0 : OPT_RECORD;
    const room = limit - end - tail;
    const fitting = records.length <= room ? ends.length : ends.findLastIndex((at) => at <= room) + 1;
    const length = ends[fitting - 1] ?? 0;
    const message = Buffer.allocUnsafe(end + length + tail);
    query.copy(message, 0, 0, end);
    records.copy(message, end, 0, length);
    if (shuffled.length > 0) {
      shuffle(shuffled);
      for (let i = 0; i < fitting; i++) message.writeUInt32BE(shuffled[i] ?? 0, end + (i + 1) * A_RECORD - 4);
    }
    finish(message, query, end, fitting, edns, answer.outcome === 'nxdomain' ? rcode.NXDOMAIN : rcode.NOERROR);
    if (fitting < ends.length) message[2] = (message[2] ?? 0) | 0x02;
    return message;
  }

  function viewOf(asker: Asker): View {
    const { networks, service, forwards } = asker;
    const identity = JSON.stringify([networks, service ?? null, forwards]);
    const view = views.get(identity) ?? { asker, kept: new Map<string, Encoded>() };
    views.set(identity, view);
    return view;
  }

  return {
    viewOf,
    react: (message, view, transport) => {
      // An answer is never answered: two servers could go on with that for ever.
      if (message.length < HEADER || isResponse(message)) return drop;
      if (opcodeOf(message) !== 0) return refusal(message, HEADER, rcode.NOTIMP);
      const end = message.readUInt16BE(4) === 1 && message.readUInt16BE(6) === 0 && message.readUInt16BE(8) === 0 ? questionEnd(message) : -1;
      if (end < 0) return refusal(message, HEADER, rcode.FORMERR);
      const additionals = message.readUInt16BE(10);
      const edns = additionals === 0 ? undefined : ((additionals === 1 ? loneEdns(message, end) : undefined) ?? ednsAmong(message));
      if (edns === 'malformed') return refusal(message, end, rcode.FORMERR);
      if (edns !== undefined && edns.version > 0) return refusal(message, end, rcode.BADVERS, edns);
      const type = message.readUInt16BE(end - 4);
      const isInternet = message.readUInt16BE(end - 2) === 1;
      if (!isInternet || type === recordType.AXFR || type === recordType.IXFR || type === recordType.OPT) {
        return refusal(message, end, rcode.REFUSED, edns);
      }
      const limit = transport === 'tcp' ? MAX_MESSAGE : Math.max(CLASSIC_SIZE, edns?.size ?? 0);
      const { asker, kept } = view;
      const question = message.toString('latin1', HEADER, end).toLowerCase();
      let known = kept.get(question);
      if (known === undefined) {
        const answer = table.answerTo({ name: questionName(message), type }, asker);
        if (answer.outcome === 'forward') {
          // A copy: the message is the reader's, until it reads on.
          return { kind: 'forward', query: Buffer.from(additionals === 0 ? message.subarray(0, end) : message), end, edns, limit };
        }
        known = encodedAnswer(answer);
        // There is no end to names that do not exist.
        if (answer.outcome !== 'nxdomain') {
          if (kept.size >= KEPT) kept.clear();
          kept.set(question, known);
        }
      }
      return { kind: 'reply', message: reply(message, end, known, edns, limit), outcome: known.answer.outcome === 'nxdomain' ? 'nxdomain' : 'answered' };
    },
    forget: () => {
      for (const { kept } of views.values()) kept.clear();
      views.clear();
    },
    get encoded() {
      return encoded;
    },
  };
}

/** Header and OPT of an answer whose question and records are in `message` already. */
function finish(message: Buffer, query: Buffer, end: number, answers: number, edns: Edns | undefined, code: Rcode): void {
  // QR and AA; opcode and RD of the query. RA, because stub resolvers take nobody without; CD of the query.
  message[2] = 0x84 | ((query[2] ?? 0) & 0x79);
  message[3] = 0x80 | ((query[3] ?? 0) & 0x10) | (code & 0xf);
  message.writeUInt16BE(end > HEADER ? 1 : 0, 4);
  message.writeUInt16BE(answers, 6);
  message.writeUInt16BE(0, 8);
  message.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  if (edns === undefined) return;
  const at = message.length - OPT_RECORD;
  message[at] = 0;
  message.writeUInt16BE(recordType.OPT, at + 1);
  message.writeUInt16BE(EDNS_SIZE, at + 3);
  message.writeUInt32BE((code >> 4) << 24, at + 5);
  message.writeUInt16BE(0, at + 9);
}

/** An answer without records, of us and not of the cluster: no AA. */
export function failureOf(query: Buffer, end: number, code: Rcode, edns?: Edns): Buffer {
  const message = Buffer.allocUnsafe(end + (edns === undefined ? 0 : OPT_RECORD));
  query.copy(message, 0, 0, end);
  finish(message, query, end, 0, edns, code);
  message[2] = (message[2] ?? 0) & ~0x04;
  return message;
}

function refusal(query: Buffer, end: number, code: Rcode, edns?: Edns): Reaction {
  return { kind: 'reply', message: failureOf(query, end, code, edns), outcome: 'refused' };
}

/** The OPT record among other additional records: rare, so the whole message is decoded. */
function ednsAmong(message: Buffer): Edns | undefined | 'malformed' {
  try {
    const opts = (decode(message).additionals ?? []).filter((record) => record.type === 'OPT');
    const [opt] = opts;
    if (opts.length > 1) return 'malformed';
    return opt?.type === 'OPT' ? { size: opt.udpPayloadSize, version: opt.ednsVersion } : undefined;
  } catch {
    return 'malformed';
  }
}
