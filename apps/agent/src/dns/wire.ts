/**
 * What of the wire format (RFC 1035, 6891) is read without decoding a whole message. Records are encoded, and messages from which
 * more is wanted decoded, by dns-packet; what is passed on is passed on as it came, so types that nobody here knows stay whole.
 */

export const HEADER = 12;
/** A UDP answer without EDNS. */
export const CLASSIC_SIZE = 512;
/** Behind a question and nothing else: a pointer to its name. */
export const POINTER_TO_QUESTION = 0xc000 | HEADER;

export const rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = (typeof rcode)[keyof typeof rcode];

const OPT = 41;
const MAX_NAME = 255;

export function isResponse(message: Buffer): boolean {
  return ((message[2] ?? 0) & 0x80) !== 0;
}

export function opcodeOf(message: Buffer): number {
  return ((message[2] ?? 0) >> 3) & 0xf;
}

export function isTruncated(message: Buffer): boolean {
  return ((message[2] ?? 0) & 0x02) !== 0;
}

export function rcodeOf(message: Buffer): number {
  return (message[3] ?? 0) & 0xf;
}

/** Where the only question of a message ends, or -1: a name without pointers, type and class. */
export function questionEnd(message: Buffer): number {
  let at = HEADER;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63) return -1;
    at += length + 1;
    if (length === 0) break;
    if (at - HEADER > MAX_NAME) return -1;
  }
  return at + 4 <= message.length && at - HEADER <= MAX_NAME ? at + 4 : -1;
}

/** The name of a question that `questionEnd` has accepted. A dot within a label is escaped, so no such name is like another. */
export function questionName(message: Buffer): string {
  const labels: string[] = [];
  for (let at = HEADER, length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length).replaceAll('.', '\\.'));
    at += length + 1;
  }
  return labels.join('.');
}

export interface Edns {
  /** Largest UDP answer, in bytes. */
  readonly size: number;
  readonly version: number;
}

/** The OPT record when it is all that follows `end`, as it is in what resolvers send. */
export function loneEdns(message: Buffer, end: number): Edns | undefined {
  if (message.length < end + 11 || message[end] !== 0 || message.readUInt16BE(end + 1) !== OPT) return undefined;
  if (message.length !== end + 11 + message.readUInt16BE(end + 9)) return undefined;
  return { size: message.readUInt16BE(end + 3), version: message[end + 6] ?? 0 };
}

interface Section {
  /** Where each record begins; the end of the last follows as one more. */
  readonly starts: readonly number[];
}

/** Where a name ends, or -1. Pointers are not followed: whoever reads the record does that. */
function nameEnd(message: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const length = message[at];
    if (length === undefined) return -1;
    if (length === 0) return at + 1;
    if ((length & 0xc0) === 0xc0) return at + 2;
    if (length > 63) return -1;
    at += length + 1;
  }
}

/** Answers, authorities and additionals of a message, or undefined when it is cut off or is none. */
function sectionsOf(message: Buffer): readonly [Section, Section, Section] | undefined {
  let at = HEADER;
  if (message.length < HEADER) return undefined;
  for (let left = message.readUInt16BE(4); left > 0; left--) {
    at = nameEnd(message, at);
    if (at < 0 || at + 4 > message.length) return undefined;
    at += 4;
  }
  const section = (count: number): Section | undefined => {
    const starts = [at];
    for (let left = count; left > 0; left--) {
      const end = nameEnd(message, at);
      if (end < 0 || end + 10 > message.length) return undefined;
      at = end + 10 + message.readUInt16BE(end + 8);
      if (at > message.length) return undefined;
      starts.push(at);
    }
    return { starts };
  };
  const answers = section(message.readUInt16BE(6));
  const authorities = answers && section(message.readUInt16BE(8));
  const additionals = authorities && section(message.readUInt16BE(10));
  return answers && authorities && additionals && [answers, authorities, additionals];
}

/**
 * Whether `answer` is one to `query`: of its id, to its question in any case, and whole. A server that refuses or fails may leave the
 * question out.
 */
export function isAnswerTo(query: Buffer, answer: Buffer, end: number): boolean {
  if (answer.length < HEADER || !isResponse(answer) || opcodeOf(answer) !== 0) return false;
  if (answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  const sections = sectionsOf(answer);
  if (sections === undefined) return false;
  const questions = answer.readUInt16BE(4);
  if (questions === 0) return rcodeOf(answer) !== rcode.NOERROR && answer.length === HEADER;
  if (questions !== 1 || questionEnd(answer) !== end) return false;
  const asked = (message: Buffer): string => message.toString('latin1', HEADER, end).toLowerCase();
  return asked(answer) === asked(query);
}

/**
 * The answer within `limit` bytes: additional records go first, then authorities, then answers, each whole; OPT stays. It is marked as
 * truncated when more than additional records went.
 */
export function cutTo(answer: Buffer, limit: number): Buffer {
  if (answer.length <= limit) return answer;
  const sections = sectionsOf(answer);
  if (sections === undefined) return answer.subarray(0, 0);
  const [answers, authorities, additionals] = sections;
  const opt = optIn(answer, additionals);
  const room = limit - (opt?.length ?? 0);
  const fitting = ({ starts }: Section): number => starts.findLastIndex((start) => start <= room);
  const counts = [answers, authorities].map((section) => Math.max(0, fitting(section)));
  const [answerCount = 0, authorityCount = 0] = counts;
  const isCut = answerCount < answers.starts.length - 1 || authorityCount < authorities.starts.length - 1;
  const end = (answerCount < answers.starts.length - 1 ? answers.starts[answerCount] : authorities.starts[authorityCount]) ?? HEADER;
  const cut = Buffer.concat([answer.subarray(0, end), ...(opt === undefined ? [] : [opt])]);
  cut[2] = (cut[2] ?? 0) | (isCut ? 0x02 : 0);
  cut.writeUInt16BE(answerCount, 6);
  cut.writeUInt16BE(answerCount < answers.starts.length - 1 ? 0 : authorityCount, 8);
  cut.writeUInt16BE(opt === undefined ? 0 : 1, 10);
  return cut;
}

function optIn(message: Buffer, { starts }: Section): Buffer | undefined {
  for (const [i, start] of starts.slice(0, -1).entries()) {
    if (message[start] === 0 && message.readUInt16BE(start + 1) === OPT) return message.subarray(start, starts[i + 1]);
  }
  return undefined;
}

/** A message with its length before it, as TCP carries it. */
export function framed(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(message.length + 2);
  frame.writeUInt16BE(message.length, 0);
  message.copy(frame, 2);
  return frame;
}

/** Takes the chunks of a TCP stream; each answer is the messages that are whole by then. */
export function messageReader(): (chunk: Buffer) => readonly Buffer[] {
  let held: Buffer = Buffer.alloc(0);
  return (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const messages: Buffer[] = [];
    while (held.length >= 2 && held.length >= held.readUInt16BE(0) + 2) {
      const end = held.readUInt16BE(0) + 2;
      messages.push(held.subarray(2, end));
      held = held.subarray(end);
    }
    return messages;
  };
}
