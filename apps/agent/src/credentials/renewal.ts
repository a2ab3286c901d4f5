import { PortolanError } from '@portolan/model';
import { backOff, type Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Access } from './access.js';
import { type CredentialsFile, type HeldCredentials, lifeOf } from './held.js';

export interface RenewalOptions {
  readonly held: HeldCredentials;
  readonly file: Pick<CredentialsFile, 'write'>;
  /** Asks the control plane for the successors of these. */
  readonly renew: (held: HeldCredentials) => Promise<HeldCredentials>;
  /** They are on disk already. */
  readonly onRenewed: (held: HeldCredentials) => void;
  readonly access: Access;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Renewal {
  /** Redis or etcd does not know this node: new credentials are asked for before their time, once in a while. */
  ask(): void;
  stop(): Promise<void>;
}

/** Of the life of a certificate: when it is renewed at the latest, and by how much earlier at most, so that nodes do not come all at once. */
const DUE = 2 / 3;
const SPREAD = 1 / 20;
/** Milliseconds between two looks at the time of day, which may be set. */
const LOOK = 3_600_000;
/** Milliseconds until new credentials are asked for again after it was too early; twice as long each time. */
const EARLY_PAUSE = 15_000;

function between(least: number, value: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

/**
 * Renews the credentials at two thirds of the life of the certificate. What fails is tried again until the certificate has ended, and
 * after that as often as the time of day is looked at, which may have been wrong.
 */
export function keepRenewed({ held: first, file, renew, onRenewed, access, clock, log }: RenewalOptions): Renewal {
  let held = first;
  let failures = 0;
  let life = lifeOf(held);
  let dueAt = dueInLife();
  /** Before this moment nobody's asking counts. */
  let deafUntil = Number.NEGATIVE_INFINITY;
  /** How often in a row it was too early. */
  let early = 0;
  let cancel: () => void = () => undefined;
  let attempt: Promise<void> | undefined;
  let isStopped = false;

  function dueInLife(): number {
    return life.from + (life.until - life.from) * (DUE - SPREAD * clock.random());
  }

  function lookAfter(milliseconds: number): void {
    cancel();
    if (!isStopped) cancel = clock.after(between(0, milliseconds, LOOK), look);
  }

  function look(): void {
    if (attempt !== undefined) return;
    const now = clock.today();
    if (now >= life.until) access.ended();
    if (now < dueAt) lookAfter(dueAt - now);
    else {
      attempt = renewOnce().finally(() => {
        attempt = undefined;
      });
    }
  }

  async function renewOnce(): Promise<void> {
    try {
      const next = await renew(held);
      await file.write(next);
      held = next;
    } catch (error) {
      if (error instanceof PortolanError && error.code === 'forbidden' && dueInLife() > clock.today()) {
        // Asked for before its time, and the control plane does not do that: somebody else has to make the user again.
        early += 1;
        failures = 0;
        dueAt = dueInLife();
        deafUntil = clock.now() + Math.min(LOOK, EARLY_PAUSE * 2 ** (early - 1));
        log.info({ endsAt: held.expiresAt }, 'the credentials are not renewed before their time');
        return lookAfter(dueAt - clock.today());
      }
      failures += 1;
      const length = life.until - life.from;
      const wait = backOff(failures, between(250, length / 1_000, 30_000), between(1_000, length / 50, LOOK), clock.random());
      if (error instanceof PortolanError && error.code === 'unauthorized') access.refused(error.message);
      if (failures === 1) log.warn({ err: error, endsAt: held.expiresAt }, 'the credentials could not be renewed; trying again until the certificate ends');
      return lookAfter(wait);
    }
    failures = 0;
    early = 0;
    deafUntil = clock.now() + between(10_000, (life.until - life.from) / 100, 300_000);
    life = lifeOf(held);
    dueAt = dueInLife();
    log.info({ endsAt: held.expiresAt }, 'the credentials were renewed');
    access.renewed(held.expiresAt);
    onRenewed(held);
    lookAfter(dueAt - clock.today());
  }

  look();
  return {
    ask: () => {
      if (failures > 0 || attempt !== undefined || isStopped || clock.now() < deafUntil || dueAt === Number.NEGATIVE_INFINITY) return;
      // Not while the control plane may still be making the user.
      dueAt = Number.NEGATIVE_INFINITY;
      lookAfter(1_000 * (1 + 2 * clock.random()));
    },
    stop: async () => {
      isStopped = true;
      cancel();
      await attempt;
    },
  };
}
