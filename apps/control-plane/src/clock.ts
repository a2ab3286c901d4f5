import { setTimeout } from 'node:timers/promises';
import type { Clock } from './application/context.js';

export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  async sleep(milliseconds, signal) {
    try {
      await setTimeout(milliseconds, undefined, { ...(signal === undefined ? {} : { signal }), ref: true });
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  },
};
