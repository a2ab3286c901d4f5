/** What the name server has done since the agent started. */
export interface DnsStats {
  /** Queries by outcome: from the table; passed on and answered; and not to be answered otherwise. */
  readonly answered: number;
  readonly forwarded: number;
  readonly nxdomain: number;
  readonly servfail: number;
  /** FORMERR, NOTIMP, REFUSED, BADVERS. */
  readonly refused: number;
  /** No reply: not a query, or its client has gone. */
  readonly dropped: number;
  /** Seconds that all of `forwarded` took together. */
  readonly forwardSeconds: number;
  /** Queries that wait for other servers now. */
  readonly open: number;
}

const names = ['answered', 'forwarded', 'nxdomain', 'servfail', 'refused', 'dropped', 'forwardSeconds', 'open'] as const satisfies readonly (keyof DnsStats)[];

/** Room for counters that one thread writes and another reads. */
export function counterMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(names.length * Float64Array.BYTES_PER_ELEMENT);
}

export function counterWriter(memory: SharedArrayBuffer): (name: keyof DnsStats, by?: number) => void {
  const values = new Float64Array(memory);
  return (name, by = 1) => {
    const at = names.indexOf(name);
    values[at] = (values[at] ?? 0) + by;
  };
}

export function readCounters(memory: SharedArrayBuffer): DnsStats {
  const values = new Float64Array(memory);
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? 0])) as unknown as DnsStats;
}

/** For the counters of a thread that has ended: nothing waits any more. */
export function clearOpen(memory: SharedArrayBuffer): void {
  new Float64Array(memory)[names.indexOf('open')] = 0;
}
