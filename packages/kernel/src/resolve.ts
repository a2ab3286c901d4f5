import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Id, isNamespacePath, PortolanError, type Problem, problem } from '@portolan/model';
import { containerPids } from './containers.js';
import type { Attachments, FoundNamespace, ResolvedEndpoints } from './ports.js';
import { isAlive, isKnownProcess, type KnownProcess, startTimeOf } from './processes.js';
import { hostIdentity, namespaceFile, type Surroundings } from './spaces.js';

/**
 * Finds the namespaces of endpoints. It remembers the start time of each process that an endpoint was attached
 * by, in the run directory too, so that a later process of the same number is never taken for it.
 */
export function endpointResolver({ exec, runDirectory, host: hostPath }: Surroundings): (endpoints: Attachments) => Promise<ResolvedEndpoints> {
  const folder = join(runDirectory, 'attached');
  const byEndpoint = new Map<Id, KnownProcess>();
  const byContainer = new Map<string, KnownProcess>();
  const fileOf = (id: Id): string => join(folder, `${id}.json`);

  async function remembered(id: Id): Promise<KnownProcess | undefined> {
    const inMemory = byEndpoint.get(id);
    if (inMemory !== undefined) return inMemory;
    try {
      const onDisk: unknown = JSON.parse(await readFile(fileOf(id), 'utf8'));
      return isKnownProcess(onDisk) ? onDisk : undefined;
    } catch {
      return undefined;
    }
  }

  async function remember(id: Id, process: KnownProcess): Promise<void> {
    byEndpoint.set(id, process);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(`${fileOf(id)}.new`, JSON.stringify(process));
    await rename(`${fileOf(id)}.new`, fileOf(id));
  }

  async function forgetAllBut(endpoints: Attachments): Promise<void> {
    for (const id of byEndpoint.keys()) {
      if (id in endpoints) continue;
      byEndpoint.delete(id);
      await rm(fileOf(id), { force: true });
    }
  }

  async function processOfPid(id: Id, pid: number): Promise<KnownProcess | undefined> {
    const startTime = await startTimeOf(pid);
    if (startTime === undefined) return undefined;
    const before = await remembered(id);
    if (before?.pid === pid && before.startTime !== startTime) return undefined;
    const process = { pid, startTime };
    if (before?.pid !== pid) await remember(id, process);
    else byEndpoint.set(id, process);
    return process;
  }

  /** Processes of the running ones. Asks a container engine only for those whose process is not known to live. */
  async function processesOfContainers(names: ReadonlySet<string>): Promise<void> {
    const unknown: string[] = [];
    for (const name of names) {
      const before = byContainer.get(name);
      if (before !== undefined && (await isAlive(before))) continue;
      byContainer.delete(name);
      unknown.push(name);
    }
    if (unknown.length === 0) return;
    for (const [name, pid] of await containerPids(exec, unknown)) {
      const startTime = await startTimeOf(pid);
      if (startTime !== undefined) byContainer.set(name, { pid, startTime });
    }
  }

  return async (endpoints) => {
    const found: Record<Id, FoundNamespace> = {};
    const refused: Record<Id, Problem> = {};
    const containers = new Map<Id, string>();
    for (const [id, { attachment }] of Object.entries(endpoints)) if ('container' in attachment) containers.set(id, attachment.container);
    try {
      await processesOfContainers(new Set(containers.values()));
    } catch (error) {
      if (!(error instanceof PortolanError)) throw error;
      for (const [id, name] of containers) if (!byContainer.has(name)) refused[id] = error.problems[0];
    }
    const takenBy = new Map<string, Id>();
    const host = await hostIdentity(hostPath);
    for (const [id, { attachment }] of Object.entries(endpoints)) {
      const process =
        'pid' in attachment ? await processOfPid(id, attachment.pid) : 'container' in attachment ? byContainer.get(attachment.container) : undefined;
      const path = 'netns' in attachment ? attachment.netns : process === undefined ? undefined : `/proc/${process.pid}/ns/net`;
      if (path === undefined) continue;
      if (!isNamespacePath(path) || path.startsWith(`${runDirectory}/`)) {
        refused[id] = problem(
          'invalid-document',
          '',
          `endpoint ${id}: ${JSON.stringify(path)} is no path of the network namespace of an endpoint`,
          'Attach the endpoint by a path of letters, digits and "_.:@+=,~-", outside of the run directory of the agent.',
        );
        continue;
      }
      const file = await namespaceFile(path);
      if (file.state !== 'mounted') continue;
      const other = takenBy.get(file.identity);
      const owner = file.identity === host ? 'of the host itself' : other === undefined ? undefined : `of endpoint ${other} already`;
      if (owner !== undefined) {
        refused[id] = problem(
          'unknown-reference',
          '',
          `endpoint ${id}: ${path} is the network namespace ${owner}`,
          'Attach each endpoint to a network namespace of its own.',
        );
        continue;
      }
      takenBy.set(file.identity, id);
      found[id] = { path, incarnation: `${file.identity}@${process?.startTime ?? file.bornAt}` };
    }
    await forgetAllBut(endpoints);
    return { found, refused };
  };
}
