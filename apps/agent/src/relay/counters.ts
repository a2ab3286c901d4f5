import type { Signals } from '@portolan/protocol';

/** Reasons for which a packet is dropped, as the protocol names them. */
const reasons = ['noRoute', 'ttl', 'malformed', 'tooLong', 'refused'] as const;
const names = ['sent', 'received', 'sentBytes', 'receivedBytes', ...reasons] as const;

/** Places of the counters in their memory. */
export const counter = Object.fromEntries(names.map((name, i) => [name, i])) as { readonly [K in (typeof names)[number]]: number };

/** Memory that the thread that forwards writes alone and others read. Whole numbers up to 2^53. */
export function counterMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(names.length * Float64Array.BYTES_PER_ELEMENT);
}

export type RelayCounters = NonNullable<Signals['relay']>;

/** The counters as they are told; `buffer` is that of the UDP socket, which drops what it has no room for. */
export function readCounters(memory: SharedArrayBuffer, buffer: { readonly queued: number; readonly dropped: number }): RelayCounters {
  const values = new Float64Array(memory);
  const of = (name: (typeof names)[number]): number => values[counter[name]] ?? 0;
  return {
    sent: of('sent'),
    received: of('received'),
    sentBytes: of('sentBytes'),
    receivedBytes: of('receivedBytes'),
    dropped: Object.fromEntries(reasons.map((reason) => [reason, of(reason) + (reason === 'refused' ? buffer.dropped : 0)])),
    queued: buffer.queued,
  };
}
