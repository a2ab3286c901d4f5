import { request } from 'node:http';

/** What a container answers. */
export interface Answer {
  readonly endpoint: string;
  readonly node: string;
  /** Address that the container saw the request come from. */
  readonly client: string;
}

export interface Answers {
  readonly answers: readonly Answer[];
  /** Requests that got no answer of a container, with the reason. */
  readonly failures: readonly string[];
  /** Of all the requests together. */
  readonly milliseconds: number;
}

/** A connection that is not answered within this time counts as failed, in milliseconds. */
const answerWithin = 3_000;

function requestOnce(url: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // A connection of its own: IPVS balances connections, not requests.
    const call = request(url, { agent: false, timeout: answerWithin }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => {
        try {
          resolve(JSON.parse(text) as Answer);
        } catch {
          reject(new Error(`status ${response.statusCode}, no answer of a container`));
        }
      });
    });
    call.once('timeout', () => call.destroy(new Error(`no answer within ${answerWithin} ms`)));
    call.once('error', reject);
    call.end();
  });
}

/** Requests a URL so many times, one after the other. After three failures in a row the rest counts as failed too. */
export async function requestTimes(url: string, count: number): Promise<Answers> {
  const answers: Answer[] = [];
  const failures: string[] = [];
  const start = performance.now();
  let inARow = 0;
  for (let index = 0; index < count; index += 1) {
    try {
      answers.push(await requestOnce(url));
      inARow = 0;
    } catch (error) {
      failures.push((error as Error).message);
      inARow += 1;
    }
    if (inARow === 3) {
      failures.push(...Array.from({ length: count - index - 1 }, () => 'not tried after three failures in a row'));
      break;
    }
  }
  return { answers, failures, milliseconds: performance.now() - start };
}
