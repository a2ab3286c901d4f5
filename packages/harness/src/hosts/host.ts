import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { portolanError } from '@portolan/model';
import type { Argv, LabMachine, MachineProcess, StartOptions } from './machine.js';

/** A host of the lab: a network namespace with `eth1` on the underlay. */
export interface LabHost {
  readonly name: string;
  readonly address: string;
  /** Path of its network namespace. */
  readonly netns: string;
  /** End of its cable on the bridge. */
  readonly port: string;
}

/** Where `ip netns` keeps its namespaces. */
const netnsFolder = '/run/netns';
/** The namespaces and devices of lab hosts start with this, so that leftovers are found without a record. */
export const hostPrefix = 'plab-';

async function runOrFail(machine: LabMachine, what: string, argv: Argv, input?: string): Promise<void> {
  const { exitCode, stderr } = await machine.run(argv, input);
  if (exitCode !== 0) throw portolanError('apply-failed', '', `${what}: ${stderr.trim() || `exit code ${exitCode}`}`);
}

/** `prefix`, at most 6 characters, tells hosts of different owners on one machine apart: namespaces and devices start with it. */
export function hostOf(name: string, address: string, prefix = hostPrefix): LabHost {
  // Devices have at most 15 characters, nodes 63.
  const port = `${prefix}${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
  return { name, address, netns: `${netnsFolder}/${prefix}${name}`, port };
}

/** Makes the hosts on the machine's bridge. Fails with `address-taken` when one has an address of the machine's own, and with `apply-failed`. */
export async function makeHosts(machine: LabMachine, hosts: readonly LabHost[]): Promise<void> {
  const { bridge, gateway, prefixLength } = machine.underlay;
  const own = [gateway, ...machine.reserved];
  for (const { name, address } of hosts) {
    if (own.includes(address)) {
      throw portolanError('address-taken', '/nodes', `node ${name} has ${address}, which the lab itself needs`, {
        fix: `Give it another address than ${own.join(' and ')}.`,
      });
    }
  }
  const lines = hosts.flatMap(({ netns, port }) => [
    `netns add ${basename(netns)}`,
    `link add ${port} type veth peer name eth1 netns ${basename(netns)}`,
    `link set ${port} master ${bridge} up`,
  ]);
  await runOrFail(machine, 'the hosts of the lab cannot be made', ['ip', '-batch', '-'], `${lines.join('\n')}\n`);
  await Promise.all(
    hosts.map(({ name, address, netns }) => {
      const inside = ['link set lo up', `addr add ${address}/${prefixLength} dev eth1`, 'link set eth1 up', `route add default via ${gateway}`];
      return runOrFail(machine, `host ${name} cannot be made`, ['ip', '-n', basename(netns), '-batch', '-'], `${inside.join('\n')}\n`);
    }),
  );
}

/** Makes the network namespace of a container, with lo up and nothing else in it. Fails with `invalid-document` for a path outside /run/netns. */
export async function makeContainerNamespace(machine: LabMachine, path: string): Promise<void> {
  const folder = dirname(path);
  if (folder !== netnsFolder && folder !== '/var/run/netns') {
    throw portolanError('invalid-document', '/endpoints', `the lab makes the namespaces of its containers below ${netnsFolder}, not ${path}`, {
      fix: `Write ${netnsFolder}/${basename(path)}.`,
    });
  }
  const name = basename(path);
  await runOrFail(machine, `namespace ${path} cannot be made`, ['ip', '-batch', '-'], `netns add ${name}\n`);
  await runOrFail(machine, `namespace ${path} cannot be made`, ['ip', '-n', name, 'link', 'set', 'lo', 'up']);
}

export async function removeContainerNamespace(machine: LabMachine, path: string): Promise<void> {
  await runOrFail(machine, `namespace ${path} cannot be removed`, ['ip', 'netns', 'delete', basename(path)]);
}

/** Starts a program in a network namespace; the file system stays that of the machine. */
export function startIn(machine: LabMachine, netns: string, argv: Argv, options: StartOptions): Promise<MachineProcess> {
  // No fork: nsenter becomes the program, so a signal to it arrives there.
  return machine.start(['nsenter', `--net=${netns}`, '--', ...argv], options);
}
