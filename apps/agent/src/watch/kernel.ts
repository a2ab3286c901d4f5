import {
  concernsUs,
  eventInWords,
  interestOf,
  isByOthers,
  type KernelEvent,
  type KernelEvents,
  type KernelEventsOptions,
  type KernelInterest,
} from '@portolan/kernel';
import type { NodeState } from '@portolan/node-state';
import { backOff, type Clock } from '../clock.js';
import type { Log } from '../log.js';
import { paced } from './pace.js';

export type OpenKernelEvents = (options: Pick<KernelEventsOptions, 'onEvent' | 'onLost' | 'onEnd'>) => KernelEvents;

/** ours: it leads to a run; own-work: the agent was at work, and did it itself; foreign: no business of ours; lost: the kernel could not keep them. */
export type KernelEventOutcome = 'ours' | 'own-work' | 'foreign' | 'lost';

export interface KernelWatchOptions {
  readonly open: OpenKernelEvents;
  /** What is wanted; undefined while there is no state, and then nothing matters. */
  readonly state: () => NodeState | undefined;
  /** Name of the interface with the node's address. */
  readonly underlay: () => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly retryFirst: number;
  readonly retryLast: number;
  readonly onOutcome: (outcome: KernelEventOutcome, events: number) => void;
  /** Something of ours may be other than it was made. */
  readonly onChange: () => void;
}

/** Watches for changes that others make to what is ours in the host's namespace. */
export interface KernelWatch {
  /** A run of the loop looks at the kernel from now on. */
  begin(): void;
  /** It ended. `wrote`: it may have changed something. */
  ended(wrote: boolean): void;
  stop(): void;
}

/** Milliseconds. A foreign program that writes all day costs a look a second. */
const PACE = { gather: 20, urgent: 1_000, idle: 1_000 };
/** What a run did is told a little later. What others do in that time is found by the timer. */
const SETTLE = 300;
/** Of many changes so many are told in words. */
const NAMED = 5;

interface Changes {
  count: number;
  readonly words: string[];
}

function add(to: Changes, { count, words }: Changes): void {
  to.count += count;
  to.words.push(...words.slice(0, NAMED - to.words.length));
}

/** Asks for a run when others touch what is ours; what runs do themselves asks for none, or the loop would never rest. */
export function watchKernel({ open, state, underlay, clock, log, retryFirst, retryLast, onOutcome, onChange }: KernelWatchOptions): KernelWatch {
  let events: KernelEvents | undefined;
  let isBusy = false;
  let quietUntil = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let cancelOpening: () => void = () => undefined;
  /** What was seen and not looked at yet, during a run and otherwise. */
  let unsure: Changes = { count: 0, words: [] };
  let found: Changes = { count: 0, words: [] };

  let known: { readonly objects: NodeState['objects']; readonly link: string | undefined; readonly interest: KernelInterest } | undefined;

  /** What matters now, made once for each state. */
  function interest(): KernelInterest | undefined {
    const objects = state()?.objects;
    if (objects === undefined) return undefined;
    const link = underlay();
    if (known?.objects !== objects || known.link !== link) known = { objects, link, interest: interestOf(objects, link) };
    return known.interest;
  }

  const pace = paced({
    clock,
    ...PACE,
    act: () => {
      log.info({ changes: found.words, count: found.count }, 'others changed something of ours in the kernel');
      found = { count: 0, words: [] };
      onChange();
    },
  });

  function ask(changes: Changes): void {
    add(found, changes);
    pace.ask(true);
  }

  function see(what: string, byOthers = false): void {
    const change = { count: 1, words: [what] };
    // During a run nobody can tell yet whose work it is.
    if (isBusy && !byOthers) add(unsure, change);
    else if (clock.now() < quietUntil && !byOthers) onOutcome('own-work', 1);
    else {
      onOutcome('ours', 1);
      ask(change);
    }
  }

  function take(event: KernelEvent): void {
    failures = 0;
    const now = interest();
    if (now !== undefined && concernsUs(event, now)) see(eventInWords(event), isByOthers(event));
    else onOutcome('foreign', 1);
  }

  function begin(): void {
    try {
      events = open({
        onEvent: take,
        onLost: () => {
          onOutcome('lost', 1);
          see('more than the kernel could tell');
        },
        onEnd: lose,
      });
      if (failures > 0) see('unknown, for they could not be watched for a while');
    } catch (error) {
      lose(error);
    }
  }

  function lose(error: unknown): void {
    events = undefined;
    failures += 1;
    if (failures === 1) log.warn({ err: error }, 'changes of the kernel cannot be watched; the timer finds them');
    cancelOpening = clock.after(backOff(failures, retryFirst, retryLast, clock.random()), begin);
  }

  begin();
  return {
    begin: () => {
      isBusy = true;
    },
    ended: (wrote) => {
      isBusy = false;
      if (wrote) quietUntil = clock.now() + SETTLE;
      const changes = unsure;
      unsure = { count: 0, words: [] };
      if (changes.count === 0) return;
      onOutcome(wrote ? 'own-work' : 'ours', changes.count);
      if (!wrote) ask(changes);
    },
    stop: () => {
      cancelOpening();
      pace.stop();
      events?.close();
    },
  };
}
