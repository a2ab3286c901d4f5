import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findLeftServers, hostPrefix, removeUnderlay, runProcess, stopLeftovers } from '@portolan/harness';
import { findRecord, hostsIn, isAlive, type LabRecord, type RecordedProcess, recordedProcess, removeRecord, runFolder } from './record.js';

/** Bridge or tap of the lab on this machine. */
export const labLink = 'plab0';

/** How long a lab that is asked to stop may take, in milliseconds. */
const stopWithin = 20_000;

function signal(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function isGoneWithin(recorded: RecordedProcess, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  while (isAlive(recorded)) {
    if (performance.now() > deadline) return false;
    await sleep(50);
  }
  return true;
}

async function stopOwner(owner: RecordedProcess): Promise<string[]> {
  if (owner.pid === process.pid || !isAlive(owner)) return [];
  signal(owner.pid, 'SIGTERM');
  if (!(await isGoneWithin(owner, stopWithin))) {
    signal(owner.pid, 'SIGKILL');
    await isGoneWithin(owner, 5_000);
  }
  return [`the running lab, process ${owner.pid}`];
}

async function killProcesses(processes: readonly RecordedProcess[]): Promise<string[]> {
  const living = processes.filter(isAlive);
  // Each leads a process group of its own; linux.uml keeps more processes in its.
  for (const { pid } of living) signal(-pid, 'SIGKILL');
  for (const recorded of living) await isGoneWithin(recorded, 5_000);
  return living.map(({ name, pid }) => `${name}, process ${pid}`);
}

/** Processes with an argument that starts so: those that no record knows, because they were started behind the lab's back. */
function processesWith(start: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8')
          .split('\0')
          .some((argument) => argument.startsWith(start));
      } catch {
        return false;
      }
    })
    .map(Number);
}

/**
 * Processes of guests whose files lie in the directory: those that linux.uml keeps outlive it when it is killed alone,
 * and a lab that is killed while a guest boots has not yet recorded it.
 */
function guestProcesses(directory: string): readonly number[] {
  return processesWith(`init=${join(directory, 'guest')}/`);
}

/** What an agent starts and leaves running when it ends, such as the relay of flannel's udp backend: it is told its place in the agent's folder. */
function relayProcesses(): readonly number[] {
  return processesWith(`${runFolder}/`);
}

async function killByPid(name: string, pids: readonly number[]): Promise<void> {
  const processes = pids.map((pid) => recordedProcess(name, pid));
  for (const { pid } of processes) signal(pid, 'SIGKILL');
  for (const recorded of processes) await isGoneWithin(recorded, 5_000);
}

/** Namespaces on this machine that belong to the lab, by record and by name. */
async function labNamespaces(record: LabRecord | undefined): Promise<readonly string[]> {
  const names = await namespacesHere();
  return names.filter((name) => name.startsWith(hostPrefix) || record?.namespaces.includes(name) === true);
}

export async function namespacesHere(): Promise<readonly string[]> {
  const { stdout } = await runProcess(['ip', '-j', 'netns', 'list']);
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as readonly { name: string }[]).map(({ name }) => name);
}

async function removeNamespaces(names: readonly string[]): Promise<string[]> {
  for (const name of names) {
    const { stdout } = await runProcess(['ip', 'netns', 'pids', name]);
    await killByPid(`in ${name}`, stdout.split('\n').filter(Boolean).map(Number));
    await runProcess(['ip', 'netns', 'delete', name]);
  }
  return names.map((name) => `namespace ${name}`);
}

/** Mount points of the agents' own namespaces, deepest first. */
function agentMounts(): readonly string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n');
  const points = lines.map((line) => line.split(' ')[4] ?? '').filter((point) => point.startsWith(`${runFolder}/`));
  return points.sort((a, b) => b.length - a.length);
}

async function removeAgentFolders(): Promise<string[]> {
  const mounts = agentMounts();
  for (const point of mounts) await runProcess(['umount', '-l', point]);
  rmSync(runFolder, { recursive: true, force: true });
  return mounts.map((point) => `namespace ${point}`);
}

async function linksHere(): Promise<readonly string[]> {
  const { stdout } = await runProcess(['ip', '-j', 'link', 'show']);
  return (JSON.parse(stdout) as readonly { ifname: string }[]).map(({ ifname }) => ifname);
}

/** Removes what is on this machine's network: after all processes of the lab are gone. */
export async function removeNetwork(record: LabRecord | undefined): Promise<readonly string[]> {
  const removed: string[] = [];
  // The kernel takes a dead namespace apart a little later; the hosts' cables need not wait for that.
  for (const port of (await linksHere()).filter((name) => name.startsWith(hostPrefix))) {
    if ((await runProcess(['ip', 'link', 'delete', port])).exitCode === 0) removed.push(`device ${port}`);
  }
  removed.push(...(await removeNamespaces(await labNamespaces(record))));
  // Those whose namespace has lost its name.
  const relays = relayProcesses();
  await killByPid('relay', relays);
  removed.push(...relays.map((pid) => `relay, process ${pid}`), ...(await removeAgentFolders()));
  const link = record?.link ?? labLink;
  if (await removeUnderlay(link)) removed.push(`device ${link}`);
  return removed;
}

/** Removes the files of the hosts and the record: the last that goes. */
export function removeFiles(directory: string): void {
  rmSync(hostsIn(directory), { recursive: true, force: true });
  removeRecord(directory);
}

/**
 * Stops a running lab, or removes what one that was killed left: by its record and by the names that labs use. Returns
 * what it removed; a lab that stopped by itself when it was asked counts as one thing.
 */
export async function takeDown(directory: string): Promise<readonly string[]> {
  const record = findRecord(directory);
  const removed: string[] = [];
  if (record !== undefined) {
    removed.push(...(await stopOwner(record.owner)), ...(await killProcesses(record.processes)));
  }
  for (const folder of new Set([directory, record?.directory ?? directory])) {
    const guests = guestProcesses(folder);
    await killByPid('User-Mode Linux', guests);
    if (guests.length > 0) removed.push('User-Mode Linux');
    removed.push(...(await stopLeftovers(join(folder, 'servers'))));
  }
  removed.push(...(await removeNetwork(record)));
  for (const folder of new Set([directory, record?.directory ?? directory])) removeFiles(folder);
  return removed;
}

function usesLegacyTables(): boolean {
  try {
    return readFileSync('/proc/net/ip_tables_names', 'utf8') !== '';
  } catch {
    return false;
  }
}

/** Rules in this machine's own packet filter, of either backend, that a lab or an agent made. */
async function rules(): Promise<string[]> {
  // Asking the older backend would make its tables where nobody uses it.
  const tools = usesLegacyTables() ? ['iptables-save', 'iptables-legacy-save'] : ['iptables-save'];
  const listings = await Promise.all(tools.map((tool) => runProcess([tool])));
  return [...new Set(listings.flatMap(({ stdout }) => stdout.split('\n').filter((line) => /portolan/i.test(line))))].map((line) => `rule ${line}`);
}

/** Everything on this machine that is a lab's, by record and by name. Empty after `takeDown`. */
export async function leftovers(directory: string, record: LabRecord | undefined = findRecord(directory)): Promise<readonly string[]> {
  const processes = record === undefined ? [] : [record.owner, ...record.processes].filter(isAlive);
  return [
    ...processes.map(({ name, pid }) => `${name}, process ${pid}`),
    ...guestProcesses(record?.directory ?? directory).map((pid) => `User-Mode Linux, process ${pid}`),
    ...relayProcesses().map((pid) => `relay, process ${pid}`),
    ...findLeftServers(join(record?.directory ?? directory, 'servers')).map(({ name, pid }) => `${name}, process ${pid}`),
    ...(await labNamespaces(record)).map((name) => `namespace ${name}`),
    ...agentMounts().map((point) => `namespace ${point}`),
    ...(await linksHere()).filter((name) => name === (record?.link ?? labLink) || name.startsWith(hostPrefix)).map((name) => `device ${name}`),
    ...(await rules()),
  ];
}
