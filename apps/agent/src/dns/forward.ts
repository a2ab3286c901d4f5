import type { Clock } from '../clock.js';
import { HEADER, rcode, rcodeOf } from './wire.js';

/** Asks one server once. The answer is one to the query, with its id. Fails when there is none; `signal` ends the waiting. */
export type Ask = (server: string, query: Buffer, end: number, transport: 'udp' | 'tcp', signal: AbortSignal) => Promise<Buffer>;

/** All servers together have so long, in milliseconds: resolvers ask again after five seconds, and are told before. */
const BUDGET = 4_500;
/** A server that gave no answer is asked after the others for so long, in milliseconds. */
const SHUNNED = 10_000;

export interface Forwarder {
  /** The answer with the id of the query; undefined when no server gave one. */
  forward(query: Buffer, end: number, transport: 'udp' | 'tcp'): Promise<Buffer | undefined>;
}

/**
 * Asks servers in turn, each with a fair share of the time; a single one is asked twice, because a packet may be lost. A server that cannot
 * tell (SERVFAIL, REFUSED) or is silent is left for the next, and a late answer still counts. NXDOMAIN is an answer.
 */
export function createForwarder(servers: () => readonly string[], ask: Ask, clock: Clock): Forwarder {
  const silentSince = new Map<string, number>();

  function inOrder(): readonly string[] {
    const shunned = (server: string): boolean => clock.now() - (silentSince.get(server) ?? Number.NEGATIVE_INFINITY) < SHUNNED;
    const all = servers();
    return [...all.filter((server) => !shunned(server)), ...all.filter(shunned)];
  }

  return {
    forward: (query, end, transport) => {
      const order = inOrder();
      const tries = order.length === 1 ? [...order, ...order] : order;
      const share = BUDGET / tries.length;
      const over = new AbortController();
      return new Promise((resolve) => {
        let begun = 0;
        let cancel: () => void = () => undefined;
        /** What is passed on when nobody knows better. */
        let refusal: Buffer | undefined;

        function finish(answer: Buffer | undefined): void {
          if (over.signal.aborted) return;
          cancel();
          over.abort();
          if (answer !== undefined) query.copy(answer, 0, 0, 2);
          resolve(answer);
        }

        function next(): void {
          if (over.signal.aborted) return;
          cancel();
          const server = tries[begun];
          begun += 1;
          const mine = begun;
          if (server === undefined) {
            finish(refusal);
            return;
          }
          // Only the try that is waited for leads on; an earlier one has been given up already.
          const giveUp = (): void => {
            if (begun === mine) next();
          };
          cancel = clock.after(share, () => {
            silentSince.set(server, clock.now());
            giveUp();
          });
          ask(server, query, end, transport, over.signal).then(
            (answer) => {
              silentSince.delete(server);
              const code = rcodeOf(answer);
              if (answer.length >= HEADER && code !== rcode.SERVFAIL && code !== rcode.REFUSED) finish(answer);
              else {
                refusal = answer;
                giveUp();
              }
            },
            () => {
              if (over.signal.aborted) return;
              silentSince.set(server, clock.now());
              giveUp();
            },
          );
        }
        next();
      });
    },
  };
}
