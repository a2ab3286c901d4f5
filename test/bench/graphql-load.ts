/**
 * Requests at a steady rate, from a process that does nothing else. For each line of JSON on standard input it sends so many a second, whether
 * those before are answered or not, and prints a line of figures. A request's time begins when it was due, so a server that falls behind is seen.
 */
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { percentiles } from './bench.js';

export interface LoadRequest {
  readonly url: string;
  readonly body: string;
  /** A second. */
  readonly rate: number;
  readonly seconds: number;
}

export interface LoadFigures {
  readonly answers: number;
  /** Answers of another status than 200, or with errors, and requests without an answer. */
  readonly failed: number;
  /** Answers that were made anew; the others were given again. */
  readonly made: number;
  /** Of the shortest answer. */
  readonly bytes: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

interface Answered {
  readonly bytes: number;
  readonly isAgain: boolean;
}

function answered(url: string, body: string): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const call = request(
      url,
      { agent, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } },
      (answer) => {
        let bytes = 0;
        let head = '';
        answer.on('data', (chunk: Buffer) => {
          if (head.length < 20) head += chunk.toString('latin1', 0, 20);
          bytes += chunk.length;
        });
        answer.once('end', () =>
          answer.statusCode === 200 && head.startsWith('{"data":{"cluster":{')
            ? resolve({ bytes, isAgain: answer.headers['portolan-answer'] === 'again' })
            : reject(new Error(`${answer.statusCode} ${head}`)),
        );
        answer.once('error', reject);
      },
    );
    call.once('error', reject);
    call.end(body);
  });
}

async function figuresOf({ url, body, rate, seconds }: LoadRequest): Promise<LoadFigures> {
  const times: number[] = [];
  const sizes: number[] = [];
  let failed = 0;
  let made = 0;
  const start = performance.now();
  const open: Promise<void>[] = [];
  for (let i = 0; i < rate * seconds; i++) {
    const due = start + (i * 1000) / rate;
    const early = due - performance.now();
    if (early > 1) await sleep(early);
    open.push(
      answered(url, body).then(
        ({ bytes, isAgain }) => {
          times.push(performance.now() - due);
          sizes.push(bytes);
          if (!isAgain) made += 1;
        },
        () => {
          failed += 1;
        },
      ),
    );
  }
  await Promise.all(open);
  const perSecond = Math.round((times.length / (performance.now() - start)) * 1000);
  return { answers: times.length, failed, made, bytes: Math.min(...sizes), perSecond, ...percentiles(times) };
}

for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await figuresOf(JSON.parse(line) as LoadRequest)));
