import { encode } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/clock.js';
import { type Ask, createForwarder } from '../../src/dns/forward.js';
import { hostServers, serversIn, serversToAsk } from '../../src/dns/upstreams.js';
import { questionEnd } from '../../src/dns/wire.js';
import { openStage, query } from './stage.js';

/** A clock whose time is moved by hand. */
function handClock(): Clock & { pass(milliseconds: number): Promise<void> } {
  let now = 0;
  let timers: { at: number; then: () => void }[] = [];
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    today: () => now,
    random: () => 0.5,
    after: (milliseconds, then) => {
      const timer = { at: now + milliseconds, then };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    pass: async (milliseconds) => {
      const end = now + milliseconds;
      await settle();
      for (;;) {
        const [next] = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        now = next.at;
        timers = timers.filter((other) => other !== next);
        next.then();
        await settle();
      }
      now = end;
    },
  };
}

const asked = query('example.com', 'A', { id: 513 });
const end = questionEnd(asked);

function answer(rcode: number, data?: string): Buffer {
  return encode({
    type: 'response',
    id: 9,
    flags: 0x180 | rcode,
    questions: [{ name: 'example.com', type: 'A' }],
    answers: data === undefined ? [] : [{ type: 'A', name: 'example.com', data }],
  });
}

/** Servers that answer after so many milliseconds, or never; what is asked of whom and when is noted. */
function stage(servers: Readonly<Record<string, { readonly after?: number; readonly with?: Buffer } | 'unreachable'>>) {
  const clock = handClock();
  const log: string[] = [];
  let aborted = 0;
  const ask: Ask = (server, _query, _end, transport, signal) => {
    log.push(`${clock.now()} ${server} ${transport}`);
    signal.addEventListener('abort', () => (aborted += 1));
    const behaviour = servers[server];
    if (behaviour === 'unreachable') return Promise.reject(new Error('refused'));
    return new Promise((resolve) => {
      if (behaviour?.after !== undefined) clock.after(behaviour.after, () => resolve(Buffer.from(behaviour.with ?? answer(0, '192.0.2.1'))));
    });
  };
  const forwarder = createForwarder(() => Object.keys(servers), ask, clock);
  let result: Buffer | undefined | 'waiting' = 'waiting';
  const start = (): void => {
    result = 'waiting';
    void forwarder.forward(asked, end, 'udp').then((found) => (result = found));
  };
  start();
  return { clock, log, start, result: () => result, aborted: () => aborted };
}

describe('createForwarder', () => {
  it('asks a single server twice, and gives up before a resolver does', async () => {
    const { clock, log, result } = stage({ a: {} });
    await clock.pass(4_499);
    expect(log).toEqual(['0 a udp', '2250 a udp']);
    expect(result()).toBe('waiting');
    await clock.pass(2);
    expect(result()).toBeUndefined();
  });

  it('gives each of several a fair share, and takes a late answer', async () => {
    const { clock, log, result, aborted } = stage({ a: { after: 2_000, with: answer(0, '192.0.2.9') }, b: {}, c: {} });
    await clock.pass(1_999);
    expect(log).toEqual(['0 a udp', '1500 b udp']);
    await clock.pass(2);
    const found = result();
    expect(Buffer.isBuffer(found) && found.readUInt16BE(0)).toBe(513);
    expect(aborted()).toBe(2);
    await clock.pass(10_000);
    expect(log.length).toBe(2);
  });

  it('does not wait for one that cannot be reached, refuses or fails', async () => {
    const { clock, log, result } = stage({ a: 'unreachable', b: { after: 5, with: answer(5) }, c: { after: 5, with: answer(2) } });
    await clock.pass(20);
    expect(log).toEqual(['0 a udp', '0 b udp', '5 c udp']);
    // Nobody knew better, so the last word is passed on.
    expect(result()).toEqual(Buffer.concat([Buffer.from([2, 1]), answer(2).subarray(2)]));
  });

  it('takes NXDOMAIN as it is', async () => {
    const { clock, log, result } = stage({ a: { after: 5, with: answer(3) }, b: { after: 5 } });
    await clock.pass(20);
    expect(log.length).toBe(1);
    expect(Buffer.isBuffer(result())).toBe(true);
  });

  it('asks a silent server last for a while', async () => {
    const { clock, log, start, result } = stage({ a: {}, b: { after: 5 } });
    await clock.pass(2_300);
    expect(result()).toBeInstanceOf(Buffer);
    start();
    await clock.pass(20);
    expect(log.slice(2)).toEqual(['2300 b udp']);
    await clock.pass(10_000);
    start();
    await clock.pass(1);
    expect(log.at(-1)).toBe('12320 a udp');
  });

  it('has no answer without a server', async () => {
    const { clock, result } = stage({});
    await clock.pass(0);
    expect(result()).toBeUndefined();
  });
});

describe('servers', () => {
  it('reads resolv.conf, at most three, without our own address', () => {
    const text =
      '# nameserver 192.0.2.9\nsearch example\n nameserver\t192.0.2.1 \nnameserver 127.0.0.11\nnameserver 2001:db8::1\nnameserver 192.0.2.1\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n';
    expect(serversIn(text)).toEqual(['192.0.2.1', '2001:db8::1', '192.0.2.3']);
    expect(serversIn('')).toEqual([]);
  });

  it('prefers those that are configured', () => {
    expect(serversToAsk(['192.0.2.5', '127.0.0.11'], () => ['192.0.2.1'])).toEqual(['192.0.2.5']);
    expect(serversToAsk([], () => ['192.0.2.1'])).toEqual(['192.0.2.1']);
  });

  it('looks at the file once a second, and has none while it is away', async () => {
    const files = openStage();
    try {
      const clock = handClock();
      const servers = hostServers(files.file('resolv.conf', 'nameserver 192.0.2.1'), clock);
      expect(servers()).toEqual(['192.0.2.1']);
      files.file('resolv.conf', 'nameserver 192.0.2.222');
      expect(servers()).toEqual(['192.0.2.1']);
      await clock.pass(1_000);
      expect(servers()).toEqual(['192.0.2.222']);
      expect(hostServers('/nonexistent/resolv.conf', clock)()).toEqual([]);
    } finally {
      files.dispose();
    }
  });
});
