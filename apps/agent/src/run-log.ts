import type { Report } from '@portolan/protocol';
import type { Log } from './log.js';

export interface RunSummary {
  readonly reasons: ReadonlySet<string>;
  readonly milliseconds: number;
  /** How many of the steps set right what others had changed. */
  readonly repaired: number;
  /** Keys of what is not as it was left and stays so, when that is news. */
  readonly open: readonly string[];
  /** Something could not be done in the namespace of an endpoint. */
  readonly isMending: boolean;
}

/** Of many steps so many are written into the log; the report has them all. */
const NAMED = 5;

/** Logs what a run did and why. */
export function logRun(
  log: Log,
  { generation, revision, status, errors, steps }: Report,
  { reasons, milliseconds, repaired, open, isMending }: RunSummary,
): void {
  const first = steps.slice(0, NAMED).map(({ action, key, reason }) => `${action} ${key}: ${reason}`);
  const fields = { generation, revision, reasons: [...reasons], steps: steps.length, ...(first.length === 0 ? {} : { first }), milliseconds };
  if (status === 'failed') log.error({ ...fields, errors }, 'sync failed');
  else if (isMending) log.warn({ ...fields, errors }, 'sync applied, but for endpoints that cannot be attached');
  else if (open.length > 0)
    log.warn({ ...fields, repaired, drift: open.slice(0, NAMED), open: open.length }, 'the kernel is not as it had been left, and stays so');
  else if (repaired > 0) log.warn({ ...fields, repaired }, 'sync applied: the kernel was not as it had been left');
  else if (steps.length > 0) log.info(fields, 'sync applied');
  else log.debug(fields, 'sync found nothing to do');
}
