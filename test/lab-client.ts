import type { Answers, Lab } from '@portolan/lab';
import { expect } from 'vitest';

/** What tests of a whole lab ask of it. */
export interface LabClient {
  /** Calls the API below the lab's cluster; fails with the answer when it is a refusal. */
  call<T>(path: string, method?: string, body?: unknown): Promise<T>;
  /** Output of a command in a namespace of a node's agent. */
  inSpace(node: string, name: string, ...argv: string[]): Promise<string>;
}

export function labClient(lab: () => Lab): LabClient {
  return {
    async call<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
      const { apiUrl, cluster } = lab();
      const answer = await fetch(`${apiUrl}/v1/clusters/${cluster}${path}`, {
        method,
        ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return (text === '' ? undefined : JSON.parse(text)) as T;
    },
    async inSpace(node, name, ...argv) {
      const { exitCode, stdout, stderr } = await lab()
        .machineOf(node)
        .run(['nsenter', `--net=/run/portolan-lab/${node}/netns/${name}`, '--', ...argv]);
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
