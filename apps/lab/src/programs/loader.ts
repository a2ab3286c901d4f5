/**
 * loader.js URL PER_SECOND: requests at a steady rate, whether earlier ones are answered or not, until SIGTERM; then it
 * waits for the last answers and prints what became of them as one line of JSON.
 */
import type { LoadAnswers } from './load.js';
import { requestOnce } from './requests.js';

const [url = '', perSecond = '50'] = process.argv.slice(2);
const answers: Record<string, number> = {};
const failures: { at: number; error: string }[] = [];
const open = new Set<Promise<void>>();
let sent = 0;

async function send(): Promise<void> {
  const at = Date.now();
  try {
    const { endpoint } = await requestOnce(url);
    answers[endpoint] = (answers[endpoint] ?? 0) + 1;
  } catch (error) {
    failures.push({ at, error: (error as Error).message });
  }
}

const start = performance.now();
const timer = setInterval(() => {
  // A tick that came late sends what it owes, so the rate holds on a busy machine.
  for (const due = ((performance.now() - start) / 1000) * Number(perSecond); sent < due; ) {
    sent += 1;
    const request: Promise<void> = send().finally(() => open.delete(request));
    open.add(request);
  }
}, 10);
console.log('started');
process.once('SIGTERM', async () => {
  clearInterval(timer);
  await Promise.all(open);
  const result: LoadAnswers = { sent, seconds: (performance.now() - start) / 1000, answers, failures };
  console.log(JSON.stringify(result));
  process.exit(0);
});
