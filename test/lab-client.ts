import type { Explanation, Question, View } from '@portolan/explain';
import { type Argv, type Executed, runProcess } from '@portolan/harness';
import type { Answers, Lab } from '@portolan/lab';
import { expect } from 'vitest';
import { netnsOf } from './netns.js';

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What tests of a whole lab ask of it. */
export interface LabClient {
  /** Asks the API below the lab's cluster, whatever it answers. */
  asked(path: string, method?: string, body?: unknown, signal?: AbortSignal): Promise<Answer>;
  /** Calls the API below the lab's cluster; fails with the answer when it is a refusal. */
  call<T>(path: string, method?: string, body?: unknown): Promise<T>;
  /** Asks where a packet goes, by what should be there unless `view` says otherwise. */
  explain(question: Question, view?: View): Promise<Explanation>;
  /** Runs a program where packets of such a client begin: `node:NAME`, `endpoint:NAME`, and for others this machine, which is none of the hosts. */
  runAt(client: string, ...argv: Argv): Promise<Executed>;
  /** Output of a command in a namespace of a node's agent. */
  inSpace(node: string, name: string, ...argv: string[]): Promise<string>;
}

export function labClient(lab: () => Lab): LabClient {
  const send = (path: string, method = 'GET', body?: unknown, signal?: AbortSignal): Promise<Response> =>
    fetch(`${lab().apiUrl}/v1/clusters/${lab().cluster}${path}`, {
      method,
      ...(signal !== undefined && { signal }),
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });

  const call = async <T>(path: string, method = 'GET', body?: unknown): Promise<T> => {
    const answer = await send(path, method, body);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  };

  const run = (node: string, space: string, argv: readonly string[]): Promise<Executed> =>
    lab()
      .machineOf(node)
      .run(['nsenter', `--net=${netnsOf(lab(), node, space)}`, '--', ...argv]);

  return {
    async asked(path, method, body, signal) {
      const answer = await send(path, method, body, signal);
      return { status: answer.status, body: (await answer.json()) as Answer['body'] };
    },
    call,
    explain(question, view = 'desired') {
      const query = Object.entries({ ...question, observed: view === 'observed' }).map(([name, value]) => `${name}=${encodeURIComponent(value ?? '')}`);
      return call<Explanation>(`/explain?${query.join('&')}`);
    },
    runAt(client, ...argv) {
      const [, kind = '', name = ''] = /^(endpoint|node):(.*)$/.exec(client) ?? [];
      if (kind === '') return runProcess(argv);
      const node = kind === 'node' ? name : (lab().manifest.endpoints?.find((own) => own.name === name)?.node ?? '');
      return run(node, kind === 'node' ? 'host' : name, argv);
    },
    async inSpace(node, name, ...argv) {
      const { exitCode, stdout, stderr } = await run(node, name, argv);
      expect(stderr === '' || exitCode === 0, stderr).toBe(true);
      return stdout;
    },
  };
}

/** How many answers each endpoint gave; fails when one request failed. */
export function shares({ answers, failures }: Answers): Record<string, number> {
  expect(failures).toEqual([]);
  const counts: Record<string, number> = {};
  for (const { endpoint } of answers) counts[endpoint] = (counts[endpoint] ?? 0) + 1;
  return counts;
}
