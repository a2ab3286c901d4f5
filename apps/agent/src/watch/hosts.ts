import type { Id, Ipv4 } from '@portolan/model';
import type { Signals } from '@portolan/protocol';
import type { Clock } from '../clock.js';
import { type Answer, conversation, type Dial } from './dial.js';

/** Whether a host answered at all; undefined when it could not be asked. */
export type HostAnswer = boolean | undefined;

export interface HostsOptions {
  readonly clock: Clock;
  readonly ask: (address: Ipv4) => Promise<HostAnswer>;
  /** Between two questions to one host, in milliseconds. */
  readonly every: number;
  readonly onChange: () => void;
}

export interface Hosts {
  follow(nodes: Readonly<Record<Id, Ipv4>>): void;
  reachable(): Signals['reachable'];
  stop(): void;
}

/** A host that does not answer so many times in a row is not reachable. */
const SILENT_TIMES = 2;

interface Subject {
  readonly address: Ipv4;
  reachable: boolean | undefined;
  silent: number;
  cancel: () => void;
}

/** Asks each host again and again. One answer is enough to be reachable. */
export function watchHosts({ clock, ask, every, onChange }: HostsOptions): Hosts {
  const subjects = new Map<Id, Subject>();

  async function askOnce(id: Id, subject: Subject): Promise<void> {
    const begun = clock.now();
    const answer = await ask(subject.address);
    if (subjects.get(id) !== subject) return;
    const before = subject.reachable;
    if (answer === true) {
      subject.reachable = true;
      subject.silent = 0;
    } else if (answer === false) {
      subject.silent += 1;
      if (subject.silent >= SILENT_TIMES) subject.reachable = false;
    }
    if (subject.reachable !== before) onChange();
    subject.cancel = clock.after(Math.max(1, every - (clock.now() - begun)), () => void askOnce(id, subject));
  }

  function forget(id: Id): void {
    subjects.get(id)?.cancel();
    subjects.delete(id);
  }

  return {
    follow: (nodes) => {
      for (const [id, { address }] of subjects) if (nodes[id] !== address) forget(id);
      for (const [id, address] of Object.entries(nodes)) {
        if (subjects.has(id)) continue;
        const subject: Subject = { address, reachable: undefined, silent: 0, cancel: () => undefined };
        subjects.set(id, subject);
        void askOnce(id, subject);
      }
    },
    reachable: () => {
      const reachable: Signals['reachable'] = {};
      for (const [id, subject] of subjects) if (subject.reachable !== undefined) reachable[id] = subject.reachable;
      return reachable;
    },
    stop: () => {
      for (const id of [...subjects.keys()]) forget(id);
    },
  };
}

/**
 * Ports at which a living host answers a stranger, with a connection or a refusal: one where hardly anybody listens, and that of ssh,
 * because a packet filter that is silent about the former lets the latter through.
 */
const PORTS = [1, 22];

/** Whether the host at an address answers within `milliseconds`, asked from the host's own namespace. */
export function hostAnswer(address: Ipv4, milliseconds: number, dial: Dial, clock: Clock): Promise<HostAnswer> {
  return new Promise((resolve) => {
    const answers: Answer[] = [];
    for (const port of PORTS) {
      void conversation<'connected'>({
        open: () => dial(undefined, address, port),
        milliseconds,
        clock,
        talk: (_socket, settle) => settle('connected'),
      }).then((answer) => {
        answers.push(answer);
        if (answer === 'connected' || answer === 'refused') resolve(true);
        else if (answers.length === PORTS.length) resolve(answers.every((one) => one === 'not-tried') ? undefined : false);
      });
    }
  });
}
