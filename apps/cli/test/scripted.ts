import { onTestFinished } from 'vitest';
import { runPortolan } from '../src/cli.js';
import type { Terminal } from '../src/terminal.js';
import { fakeApi, type Received, type Reply } from './fake-api.js';
import { screen } from './screen.js';

/** Runs one command line against a server that answers as the test says. */
export async function runScripted(words: string | readonly string[], answer: (request: Received, earlier: number) => Reply, terminal: Partial<Terminal> = {}) {
  let count = 0;
  const api = await fakeApi((request) => answer(request, count++));
  onTestFinished(api.close);
  const shown = screen({ ...terminal, environment: { PORTOLAN_URL: api.url, PORTOLAN_CLUSTER: 'c', ...terminal.environment } });
  const exitCode = await runPortolan(typeof words === 'string' ? words.split(' ') : words, shown);
  const sent = api.received.filter(({ method }) => method !== 'GET').map(({ method, path, body }) => `${method} ${path} ${JSON.stringify(body ?? null)}`);
  return { exitCode, out: shown.out(), err: shown.err(), url: api.url, received: api.received, sent };
}
