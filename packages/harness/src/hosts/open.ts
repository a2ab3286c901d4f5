import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { portolanError } from '@portolan/model';
import { openUmlMachines } from '../guest/uml.js';
import type { LabMachine } from './machine.js';
import { openNativeMachine } from './native.js';
import { runProcess } from './process.js';
import { firstFreeSubnet, requireFreeSubnet, subnetworkOf } from './underlay.js';

export interface LabMachineOptions {
  /** Absolute path; a guest's console, init and compiled library lie in `guest` in it. */
  readonly directory: string;
  /** When left out: native where the kernel has what the hosts need, else uml. */
  readonly kind?: LabMachine['kind'];
  /** False where no host balances: then IPVS is not asked for, and this machine's kernel does. True unless given. */
  readonly balances?: boolean;
  /** Bridge or tap of the lab on this machine, at most 15 characters. By the process id when left out, so that several can live side by side. */
  readonly link?: string;
  /** Network of the underlay. When left out a free /24 of 172.31.0.0/16. */
  readonly subnet?: string;
}

let opened = 0;

/** True when this kernel balances by IPVS: built in, or as a module that can be loaded. */
async function hasIpvs(): Promise<boolean> {
  // Fails in containers and where it is built in; the second question decides.
  await runProcess(['modprobe', 'ip_vs']);
  return (await runProcess(['cat', '/proc/net/ip_vs'])).exitCode === 0;
}

function kindFromEnvironment(): LabMachine['kind'] | undefined {
  const kind = process.env.PORTOLAN_LAB_MACHINE;
  if (kind === undefined || kind === '') return undefined;
  if (kind === 'native' || kind === 'uml') return kind;
  throw portolanError('invalid-document', '', `PORTOLAN_LAB_MACHINE is "${kind}"`, { fix: 'Set it to native or uml, or unset it.' });
}

/**
 * Machines to make lab hosts on, all on one underlay: natively this one, else at most `most` guests, as many as there
 * are processors. Needs root. Fails with `tool-missing`, `in-use` (the subnet is routed elsewhere) and
 * `apply-failed` (with the end of the guest's console).
 */
export async function openLabMachines(options: LabMachineOptions, most: number): Promise<readonly LabMachine[]> {
  opened += 1;
  const kind = options.kind ?? kindFromEnvironment() ?? (options.balances === false || (await hasIpvs()) ? 'native' : 'uml');
  const link = options.link ?? `pl${process.pid}x${opened}`;
  if (options.subnet !== undefined) await requireFreeSubnet(options.subnet, link);
  const subnet = options.subnet ?? (await firstFreeSubnet(ownSubnets(), link));
  const subnetwork = subnetworkOf(subnet);
  if (kind === 'native') return [await openNativeMachine(link, subnetwork)];
  return openUmlMachines(resolve(options.directory, 'guest'), link, subnetwork, Math.max(1, Math.min(most, availableParallelism())));
}

/** So far are the first choices of two processes that follow one another apart, as tests beside each other do. */
const PROCESS_STEP = 37;
const SUBNETS = 256;

/** The /24 networks of 172.31.0.0/16; the first goes with the process and with how often it has opened machines. */
function ownSubnets(): readonly string[] {
  return Array.from({ length: SUBNETS }, (_, i) => `172.31.${(process.pid * PROCESS_STEP + opened + i) % SUBNETS}.0/24`);
}

/** A single machine: see `openLabMachines`. */
export async function openLabMachine(options: LabMachineOptions): Promise<LabMachine> {
  const [machine] = await openLabMachines(options, 1);
  if (machine === undefined) throw new Error('no machine');
  return machine;
}
