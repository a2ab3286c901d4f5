import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { request } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';

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

/** Names are asked of the node's name server, where a container has it; each time anew, as a client without a cache does. */
const resolver = new Resolver({ timeout: 1_000, tries: 2 });
resolver.setServers(['127.0.0.11']);
const lookup: LookupFunction = (name, options, found) => {
  resolver.resolve4(name).then(
    (addresses) => {
      const [first = ''] = addresses;
      if (options.all !== true) found(null, first, 4);
      else
        found(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        );
    },
    (error: NodeJS.ErrnoException) => found(error, ''),
  );
};

function answerOf(text: string, otherwise: string): Answer {
  try {
    return JSON.parse(text) as Answer;
  } catch {
    throw new Error(otherwise);
  }
}

/** Ports of TCP clients: above those of name servers, below those that the kernel draws. */
const clientPorts = { first: 12_000, count: 20_000 };
/**
 * IPVS remembers for two minutes where a port led that was used and closed, and leads it there again, whoever's turn it is. So ports follow one another, and a process
 * begins where the clock says: one that starts later does not meet the ports of one before.
 */
let clientPort = Math.floor(Date.now() / 8) % clientPorts.count;

function httpOnce(url: string): Promise<Answer> {
  clientPort = (clientPort + 1) % clientPorts.count;
  const localPort = clientPorts.first + clientPort;
  return new Promise((resolve, reject) => {
    // A connection of its own: IPVS balances connections, not requests.
    const call = request(url, { agent: false, timeout: answerWithin, lookup, localPort }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => {
        try {
          resolve(answerOf(text, `status ${response.statusCode}, no answer of a container`));
        } catch (error) {
          reject(error);
        }
      });
    });
    call.once('timeout', () => call.destroy(new Error(`no answer within ${answerWithin} ms`)));
    call.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') httpOnce(url).then(resolve, reject);
      else reject(error);
    });
    call.end();
  });
}

/** Ports that udpOnce has not used yet; where it begins, two processes will rarely meet. */
let nextPort = 20_000 + Math.floor(Math.random() * 30_000);

/** From a port of its own each time: IPVS remembers for minutes where datagrams of a port went. */
async function udpOnce({ hostname, port }: URL): Promise<Answer> {
  const [address = ''] = isIP(hostname) === 0 ? await resolver.resolve4(hostname) : [hostname];
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const timer = setTimeout(() => end(() => reject(new Error(`no answer within ${answerWithin} ms`))), answerWithin);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      socket.close();
      settle();
    };
    socket.once('error', (error) => end(() => reject(error)));
    socket.once('message', (message) =>
      end(() => {
        try {
          resolve(answerOf(message.toString('utf8'), 'no answer of a container'));
        } catch (error) {
          reject(error);
        }
      }),
    );
    nextPort += 1;
    socket.bind(nextPort, () => socket.connect(Number(port), address, () => socket.send('?')));
  });
}

/** One request to `http://HOST:PORT/…` or `udp://HOST:PORT`, by a connection of its own. */
export function requestOnce(url: string): Promise<Answer> {
  return url.startsWith('udp:') ? udpOnce(new URL(url)) : httpOnce(url);
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
