import { stringify } from 'yaml';
import { Client } from './client.js';
import { CommandFailure, exitCodes, usageFailure } from './failure.js';
import { chooseTarget } from './target.js';
import { styled, type Terminal } from './terminal.js';

export const outputFormats = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** What every command accepts. */
export interface GlobalArguments {
  readonly url: string | undefined;
  readonly cluster: string | undefined;
  readonly token: string | undefined;
  readonly ca: string | undefined;
  readonly json: boolean;
  readonly output: OutputFormat;
}

/** One run of one command: whom it speaks to and how it answers. */
export class Session {
  readonly client: Client;
  readonly format: OutputFormat;
  /** Of the control plane. */
  readonly url: string;
  readonly #cluster: string | undefined;

  constructor(
    readonly terminal: Terminal,
    options: GlobalArguments,
  ) {
    const target = chooseTarget(options, terminal);
    this.client = new Client(target);
    this.url = target.url;
    this.#cluster = target.cluster;
    this.format = options.json ? 'json' : options.output;
  }

  /** Path of something in the chosen cluster; without a choice, in the only one that there is. */
  inCluster(...segments: readonly string[]): Promise<string> {
    return clusterPath(this.client, this.#cluster, ...segments);
  }

  /** Answers programs with the whole value, people with words. */
  show(value: unknown, words: () => string): void {
    const { write } = this.terminal;
    if (this.format === 'json') write(`${JSON.stringify(value, null, 2)}\n`);
    else if (this.format === 'yaml') write(stringify(value, { lineWidth: 0 }));
    else write(words());
  }

  /** A line about progress: for people only, and not part of the answer. */
  note(words: string): void {
    if (this.format === 'table') this.terminal.writeError(`${styled(this.terminal, 'dim', words)}\n`);
  }
}

export async function clusterPath(client: Client, chosen: string | undefined, ...segments: readonly string[]): Promise<string> {
  const cluster = chosen ?? (await onlyCluster(client));
  return ['/v1/clusters', ...[cluster, ...segments].map(encodeURIComponent)].join('/');
}

async function onlyCluster(client: Client): Promise<string> {
  const clusters = await client.list<{ name: string }>('/v1/clusters');
  const [first, ...others] = clusters;
  if (first === undefined) throw new CommandFailure(exitCodes.refused, 'the control plane has no cluster', 'Make one: portolan cluster create NAME.');
  if (others.length > 0) {
    throw usageFailure(`there are ${clusters.length} clusters: ${clusters.map(({ name }) => name).join(', ')}`, 'Name one with --cluster or PORTOLAN_CLUSTER.');
  }
  return first.name;
}
