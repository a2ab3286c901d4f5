/** Our name server in a process of its own, for the bench: reads a file of lines and serves the endpoints in it. Prints `ready`. */
import { readFileSync } from 'node:fs';
import { openNameServer } from '@portolan/agent';

const { text, found } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as {
  text: string;
  found: Record<string, { path: string; incarnation: string }>;
};
const say = (_fields: object, message: string): void => console.error(message);
const server = openNameServer({
  clock: {
    now: () => Date.now(),
    today: () => Date.now(),
    after: (milliseconds, then) => {
      const timer = setTimeout(then, milliseconds);
      return () => clearTimeout(timer);
    },
    random: Math.random,
  },
  log: { debug: say, info: say, warn: say, error: say },
});
await server.change(text, found);
console.log('ready');
setInterval(() => undefined, 1 << 30);
