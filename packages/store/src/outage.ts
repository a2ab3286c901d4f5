import { PortolanError, portolanError } from '@portolan/model';
import type { StoreLog } from './ports.js';

/** One server's state as its user sees it; turns many failed calls into one line in the log. */
export interface Outage {
  failed(cause: unknown): void;
  recovered(): void;
}

/** Milliseconds between two attempts of somebody whom the server does not let in: that seldom changes, and etcd pays for each with a slow hash. */
export const DENIED_PAUSE = 10_000;

/** Whether a server answered that it does not let in who asked, rather than not at all. */
export function isDenial(cause: unknown): boolean {
  if (!(cause instanceof Error)) return false;
  return /^(WRONGPASS|NOAUTH|NOPERM)\b|etcdserver: (authentication failed|permission denied)/.test(cause.message) || isDenial(cause.cause);
}

/** `onDenied` hears of each refusal. */
export function watchOutage(service: string, log: StoreLog | undefined, onDenied?: () => void): Outage {
  let isOut = false;
  return {
    failed(cause) {
      if (isDenial(cause)) onDenied?.();
      if (isOut) return;
      isOut = true;
      log?.warn({ service, error: messageOf(cause) }, `${service} cannot be reached; trying again until it can`);
    },
    recovered() {
      if (!isOut) return;
      isOut = false;
      log?.info({ service }, `${service} is back`);
    },
  };
}

function messageOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.message === '') return cause.errors.map(messageOf).join('; ');
  return cause instanceof Error ? cause.message : String(cause);
}

export function storeUnavailable(service: string, cause: unknown): PortolanError {
  return cause instanceof PortolanError ? cause : portolanError('store-unavailable', '', `${service} cannot be reached: ${messageOf(cause)}`, { cause });
}

/** What `work` gives, or a rejection after `milliseconds`. `work` itself is not stopped; its late outcome is dropped. */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
