import { parse } from '@lukeed/ms';
import { usageFailure } from './failure.js';

/** Whole seconds, at least as many as 90, 90s, 15m, 12h or 30d says: the API counts in them. */
export function secondsOf(text: string, option: string): number {
  const milliseconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parse(text);
  if (milliseconds === undefined || !Number.isFinite(milliseconds) || milliseconds < 0) {
    throw usageFailure(`--${option} ${text} is no length of time`, 'Write it as 90s, 15m, 12h or 30d; a bare number is seconds.');
  }
  return Math.ceil(milliseconds / 1000);
}
