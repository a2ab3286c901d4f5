import type { Attachments } from '@portolan/kernel';
import type { Attachment } from '@portolan/model';
import type { ObservedState } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { watchPresence } from '../src/presence.js';
import { fakeClock } from './fake-clock.js';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function stage(attachments: Readonly<Record<string, Attachment>>, milliseconds = 0) {
  const clock = fakeClock();
  const there = new Map(Object.keys(attachments).map((id) => [id, 'first']));
  const seen: Record<string, 'present' | 'absent'> = Object.fromEntries(Object.keys(attachments).map((id) => [id, 'present']));
  const asked: string[][] = [];
  const told: string[] = [];
  const stop = watchPresence({
    kernel: {
      resolve: (endpoints: Attachments) =>
        new Promise((resolve) => {
          const ids = Object.keys(endpoints);
          asked.push(ids);
          const found = Object.fromEntries(ids.flatMap((id) => (there.has(id) ? [[id, { path: `/${id}`, incarnation: there.get(id) ?? '' }]] : [])));
          if (milliseconds === 0) resolve({ found, refused: {} });
          else clock.after(milliseconds, () => resolve({ found, refused: {} }));
        }),
    },
    endpoints: () => Object.fromEntries(Object.entries(attachments).map(([id, attachment]) => [id, { name: id, attachment }])),
    lastSeen: (): ObservedState['endpoints'] => seen,
    clock,
    log: silent,
    every: 2_000,
    quick: 250,
    onLost: (ids) => told.push(`lost ${ids.join(' ')}`),
    onChange: (ids) => told.push(`changed ${ids.join(' ')}`),
  });
  return { clock, there, seen, asked, told, stop };
}

const mixed = { a: { netns: '/run/netns/a' }, b: { pid: 4_711 }, c: { container: 'web' } } as const;

describe('watching for namespaces', () => {
  it('asks four times a second for those that cost no process, and every other second for all', async () => {
    const { clock, asked, told, stop } = stage(mixed);
    await clock.pass(4_100);
    expect(asked.filter((ids) => ids.includes('c'))).toHaveLength(2);
    expect(asked.filter((ids) => !ids.includes('c')).length).toBeGreaterThanOrEqual(13);
    expect(told).toEqual([]);
    await stop();
    expect(clock.timers).toEqual([]);
  });

  it('tells once that one went, was replaced or came, each time it does', async () => {
    const { clock, there, seen, told, stop } = stage(mixed);
    await clock.pass(2_100);
    there.delete('a');
    await clock.pass(250);
    expect(told.splice(0)).toEqual(['lost a', 'changed a']);
    // The run that was asked for failed, and saw nothing.
    await clock.pass(5_000);
    expect(told).toEqual([]);
    seen.a = 'absent';
    await clock.pass(250);
    there.set('a', 'second');
    there.set('b', 'second');
    await clock.pass(250);
    expect(told.splice(0)).toEqual(['lost b', 'changed a b']);
    seen.a = 'present';
    there.delete('c');
    await clock.pass(2_250);
    expect(told.splice(0)).toEqual(['lost c', 'changed c']);
    await clock.pass(4_000);
    expect(told).toEqual([]);
    await stop();
  });

  it('takes a twentieth of the time at most, but looks every other second whatever it takes', async () => {
    const quick = stage({ a: { pid: 1 } }, 25);
    await quick.clock.pass(5_300);
    expect(quick.asked.length).toBeLessThanOrEqual(11);
    expect(quick.asked.length).toBeGreaterThanOrEqual(9);
    const slow = stage({ a: { pid: 1 } }, 500);
    await slow.clock.pass(5_300);
    expect(slow.asked).toHaveLength(3);
  });
});
