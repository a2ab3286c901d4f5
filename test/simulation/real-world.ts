import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

const doors: string[] = [];

/** What was used of the real world since the last call: a simulated one has its own time and chance. */
export function leftTheSimulation(): readonly string[] {
  return doors.splice(0);
}

function noting<T extends (...given: never[]) => unknown>(name: string, real: T): T {
  return new Proxy(real, {
    apply: (target, self, given) => {
      doors.push(name);
      return Reflect.apply(target, self, given) as unknown;
    },
  });
}

/** From now on each use of the time of day, of chance and of real timers is noted; for a program that does nothing but simulate. */
export function watchTheRealWorld(): void {
  Math.random = noting('Math.random', Math.random);
  Date.now = noting('Date.now', Date.now);
  performance.now = noting('performance.now', performance.now.bind(performance));
  globalThis.setTimeout = noting('setTimeout', setTimeout);
  globalThis.setInterval = noting('setInterval', setInterval);
  globalThis.Date = new Proxy(Date, {
    construct: (target, given: unknown[], self) => {
      if (given.length === 0) doors.push('new Date()');
      return Reflect.construct(target, given, self) as object;
    },
  });
  crypto.randomUUID = noting('randomUUID', crypto.randomUUID);
  crypto.randomBytes = noting('randomBytes', crypto.randomBytes);
  crypto.randomInt = noting('randomInt', crypto.randomInt);
  syncBuiltinESMExports();
}
