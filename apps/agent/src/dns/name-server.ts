import type { Worker } from 'node:worker_threads';
import type { FoundNamespace, NameServer, ResolvedEndpoints } from '@portolan/kernel';
import { portolanError } from '@portolan/model';
import { type KernelObject, type ObservedObject, observedObject } from '@portolan/node-state';
import { backOff, type Clock } from '../clock.js';
import type { Log } from '../log.js';
import { changesIn, type DnsChange, endpointOfKey, isDnsBody } from './changes.js';
import { clearOpen, counterMemory, type DnsStats, readCounters } from './counters.js';
import type { FromWorker, ToWorker, WorkerSettings } from './messages.js';
import { startDnsWorker } from './start-worker.js';

/** The name server of a node, as the agent has it. */
export interface AgentNameServer extends NameServer {
  /**
   * Makes it answer by the objects of a state at once, before anything is applied. Clients that cannot be served are left out; `observed`
   * leaves them out too, so the first plan makes them.
   */
  restore(objects: readonly KernelObject[], found: ResolvedEndpoints['found']): Promise<void>;
  stats(): DnsStats;
  /** Ends it, with its sockets. */
  close(): Promise<void>;
}

export interface NameServerPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly resolvConf?: string;
  /** For tests: where other servers are asked. */
  readonly upstreams?: WorkerSettings['upstreams'];
  readonly start?: (settings: WorkerSettings) => Worker;
}

/** A thread that does not answer for so long is ended, in milliseconds; opening all sockets of a large node takes a tenth of it. */
const PATIENCE = 10_000;

/**
 * The name server as seen from the main thread. It knows what the thread is to hold, so a thread that dies is started again and told
 * everything; it is started when there is something to serve.
 */
export function openNameServer({ clock, log, start = startDnsWorker, resolvConf = '/etc/resolv.conf', upstreams }: NameServerPorts): AgentNameServer {
  const settings: WorkerSettings = { counters: counterMemory(), resolvConf, ...(upstreams === undefined ? {} : { upstreams }) };
  const objects = new Map<string, ObservedObject>();
  /** Clients that have sockets, and the incarnation of the namespace that these are in. */
  let listening = new Map<string, string>();
  let found: ResolvedEndpoints['found'] = {};
  let worker: Worker | undefined;
  let failures = 0;
  let closing = false;
  let asked = 0;
  const waiting = new Map<number, (answer: FromWorker) => void>();
  let tail: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = tail.then(work);
    tail = done.catch(() => undefined);
    return done;
  }

  function ended(one: Worker, error: unknown): void {
    if (worker !== one) return;
    worker = undefined;
    listening = new Map();
    clearOpen(settings.counters);
    for (const [id, answer] of waiting) answer({ id, failure: 'the name server ended' });
    if (closing) return;
    failures += 1;
    log.error({ err: error, failures }, 'the name server ended and is started again');
    void inTurn(running).catch((cause: unknown) => log.error({ err: cause }, 'the name server cannot be started'));
  }

  function launch(): Worker {
    const one = start(settings);
    let cause: unknown;
    one.on('message', (answer: FromWorker) => waiting.get(answer.id)?.(answer));
    one.on('error', (error) => (cause = error));
    one.on('exit', () => ended(one, cause));
    one.unref();
    return one;
  }

  /** The worker, told everything when it is a new one. */
  async function running(): Promise<Worker> {
    if (worker !== undefined) return worker;
    if (closing) throw portolanError('apply-failed', '', 'the name server is closed');
    if (failures > 0) await new Promise<void>((resolve) => clock.after(backOff(failures, 100, PATIENCE, clock.random()), resolve));
    worker = launch();
    if (objects.size > 0) await tell(worker, [...objects.values()].map(changeTo), true);
    return worker;
  }

  /** Sends a change and takes in what is listened to then. Fails with `apply-failed`. */
  async function tell(to: Worker, changes: readonly DnsChange[], lenient: boolean): Promise<void> {
    asked += 1;
    const id = asked;
    const places = Object.fromEntries(
      changes.flatMap(({ key, body }) => {
        const endpoint = endpointOfKey(key);
        const place = body?.kind === 'dns-client' ? found[endpoint] : undefined;
        return place === undefined ? [] : [[endpoint, place] satisfies [string, FoundNamespace]];
      }),
    );
    const answer = await new Promise<FromWorker>((resolve) => {
      const stop = clock.after(PATIENCE, () => void to.terminate());
      waiting.set(id, (given) => {
        stop();
        waiting.delete(id);
        resolve(given);
      });
      to.postMessage({ kind: 'change', id, changes, places, lenient } satisfies ToWorker);
    });
    if ('failure' in answer) throw portolanError('apply-failed', '', `dns: ${answer.failure}`);
    failures = 0;
    listening = new Map(Object.entries(answer.listening));
  }

  async function make(changes: readonly DnsChange[], lenient: boolean): Promise<void> {
    const one = await running();
    await tell(one, changes, lenient);
    for (const { key, space, body } of changes) {
      if (body === undefined) objects.delete(key);
      else objects.set(key, observedObject(space, body));
    }
  }

  function isServed(key: string): boolean {
    return listening.get(key) === found[endpointOfKey(key)]?.incarnation;
  }

  return {
    change: (text, at) =>
      inTurn(async () => {
        const changes = changesIn(text);
        found = { ...found, ...at };
        await make(changes, false);
      }),
    restore: (wanted, at) =>
      inTurn(async () => {
        found = { ...found, ...at };
        const changes = wanted.flatMap(({ key, space, body }) => (isDnsBody(body) ? [{ key, space, body }] : []));
        if (changes.length > 0) await make(changes, true);
      }),
    observed: (at) => {
      found = at;
      // Sockets keep a namespace in being that nobody else holds any more, with all that is in it.
      const gone = [...listening.keys()].filter((key) => !isServed(key));
      for (const key of gone) listening.delete(key);
      if (gone.length > 0) worker?.postMessage({ kind: 'close', keys: gone } satisfies ToWorker);
      return [...objects.values()].filter(({ key, kind }) => kind !== 'dns-client' || (listening.has(key) && isServed(key)));
    },
    stats: () => readCounters(settings.counters),
    close: async () => {
      closing = true;
      await worker?.terminate();
    },
  };
}

function changeTo({ key, space, body }: ObservedObject): DnsChange {
  return body !== undefined && isDnsBody(body) ? { key, space, body } : { key, space };
}
