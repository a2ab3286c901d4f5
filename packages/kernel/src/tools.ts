import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { PortolanError, type Problem, portolanError, problem } from '@portolan/model';
import { toolEnvironment } from './exec.js';
import type { Exec } from './ports.js';

type Argv = readonly [string, ...string[]];

/** Programs that a node needs, with the Debian package of each. */
const packages = {
  ip: 'iproute2',
  bridge: 'iproute2',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  umount: 'mount',
  sysctl: 'procps',
  ipvsadm: 'ipvsadm',
} as const;

async function isInstalled(program: string): Promise<boolean> {
  for (const folder of (toolEnvironment().PATH ?? '').split(delimiter)) {
    try {
      await access(join(folder, program), constants.X_OK);
      return true;
    } catch {}
  }
  return false;
}

/** One problem for each program that is not installed. */
export async function missingTools(): Promise<readonly Problem[]> {
  const missing: Problem[] = [];
  for (const [program, debian] of Object.entries(packages)) {
    if (await isInstalled(program)) continue;
    missing.push(problem('tool-missing', '', `the program ${program} is not installed`, `Install it on the node (Debian: apt-get install ${debian}).`));
  }
  return missing;
}

export interface Iptables {
  readonly restore: Argv;
  readonly save: Argv;
  /** Version and backend as the tool says them, such as "iptables v1.8.9 (legacy)". */
  readonly version: string;
}

/**
 * The installation's choice first. Kernels without nf_tables NAT (User-Mode Linux among them) answer the legacy
 * tool only, and some installations have no link to it beside the multi-call program.
 */
const candidates: readonly { readonly restore: Argv; readonly save: Argv; readonly show: Argv }[] = [
  { restore: ['iptables-restore'], save: ['iptables-save'], show: ['iptables', '--version'] },
  { restore: ['iptables-legacy-restore'], save: ['iptables-legacy-save'], show: ['iptables-legacy', '--version'] },
  {
    restore: ['xtables-legacy-multi', 'iptables-restore'],
    save: ['xtables-legacy-multi', 'iptables-save'],
    show: ['xtables-legacy-multi', 'iptables', '--version'],
  },
];

/** A rule of each match and target that the renderer uses, but for IPVS. */
const RULES = `*nat
:PTL-PROBE - [0:0]
-A PTL-PROBE -m addrtype --dst-type LOCAL -m comment --comment probe -j RETURN
-A PTL-PROBE -p tcp -m tcp --dport 1 -j DNAT --to-destination 192.0.2.1:1
-A PTL-PROBE -p tcp -m tcp --dport 1 -j REDIRECT --to-ports 1
-A POSTROUTING -o lo -j MASQUERADE
-A POSTROUTING -o lo -j SNAT --to-source 192.0.2.1
COMMIT
*mangle
:PTL-PROBE - [0:0]
-A PTL-PROBE -d 192.0.2.1/32 -j MARK --set-xmark 0x1/0xffffffff
COMMIT
*filter
:PTL-PROBE - [0:0]
-A PTL-PROBE -m conntrack --ctstate ESTABLISHED -j ACCEPT
COMMIT
`;

const IPVS_RULE = `*nat
-A POSTROUTING -d 192.0.2.0/24 -m ipvs --ipvs -j SNAT --to-source 192.0.2.1
COMMIT
`;

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

async function inNewNamespace(exec: Exec, argv: Argv, input: string): Promise<string | undefined> {
  const ran = await exec.run(['unshare', '--net', '--', ...argv], input);
  return ran.exitCode === 0 ? undefined : lastLine(ran.stderr);
}

/** The first iptables that can do everything we need in a new namespace. Fails with `tool-missing` or `kernel-feature-missing`. */
export async function chooseIptables(exec: Exec): Promise<Iptables> {
  const failures: string[] = [];
  for (const { restore, save, show } of candidates) {
    if (!(await isInstalled(restore[0]))) continue;
    const failure = await inNewNamespace(exec, [...restore, '--noflush'], RULES);
    if (failure === undefined) {
      const { stdout } = await exec.run(show);
      return { restore, save, version: stdout.trim() };
    }
    failures.push(`${restore.join(' ')}: ${failure}`);
  }
  if (failures.length === 0) {
    throw portolanError('tool-missing', '', 'the program iptables-restore is not installed', {
      fix: 'Install it on the node (Debian: apt-get install iptables).',
    });
  }
  if (failures.every((failure) => failure.includes('unshare failed'))) {
    throw portolanError('kernel-feature-missing', '', `no network namespace can be made: ${failures[0]}`, {
      fix: 'Run the agent as root, with CAP_SYS_ADMIN and CAP_NET_ADMIN.',
    });
  }
  throw portolanError('kernel-feature-missing', '', `no iptables can write our rules in the tables nat, mangle and filter (${failures.join('; ')})`, {
    fix: 'Load the modules on the node: modprobe -a nf_conntrack nf_nat xt_nat xt_mark xt_addrtype xt_conntrack xt_comment xt_MASQUERADE xt_REDIRECT; or select another backend: update-alternatives --config iptables.',
  });
}

/** Modules that must be there before the first namespace is made: sysctls of net.ipv4.vs appear in later namespaces only. */
export const modules = ['ip_vs', 'ip_vs_rr', 'ip_vs_wrr', 'ip_vs_lc', 'ip_vs_wlc', 'ip_vs_sh', 'xt_ipvs', 'vxlan', 'veth', 'bridge', 'nf_conntrack'] as const;

const LINKS = [
  { module: 'bridge', line: 'link add ptlprobe0 type bridge' },
  { module: 'vxlan', line: 'link add ptlprobe1 type vxlan id 1 dstport 4789 learning proxy l2miss l3miss' },
  { module: 'veth', line: 'link add ptlprobe2 type veth peer name ptlprobe3' },
] as const;

function missingModule(name: string, why: string): Problem {
  return problem(
    'kernel-feature-missing',
    '',
    `the kernel lacks ${name}${why === '' ? '' : ` (${why})`}`,
    `Load the module on the node: modprobe ${name}. Where there is none, run a kernel that has it (Debian: apt-get install linux-image-amd64).`,
  );
}

/** Link types and IPVS, each tried in a new namespace. */
export async function missingFeatures(exec: Exec, iptables: Iptables, ipvsLoaded: boolean): Promise<readonly Problem[]> {
  const missing: Problem[] = [];
  const ran = await exec.run(['unshare', '--net', '--', 'ip', '-force', '-batch', '-'], LINKS.map(({ line }) => `${line}\n`).join(''));
  for (const [, number] of ran.stderr.matchAll(/Command failed -:(\d+)/g)) {
    const link = LINKS[Number(number) - 1];
    if (link !== undefined) missing.push(missingModule(link.module, ran.stderr.trim().split('\n')[0] ?? ''));
  }
  if (!ipvsLoaded) missing.push(missingModule('ip_vs', ''));
  const failure = await inNewNamespace(exec, [...iptables.restore, '--noflush'], IPVS_RULE);
  if (failure !== undefined) missing.push(missingModule('xt_ipvs', failure));
  return missing;
}

export function throwProblems(problems: readonly Problem[]): void {
  const [first, ...rest] = problems;
  if (first !== undefined) throw new PortolanError([first, ...rest]);
}
