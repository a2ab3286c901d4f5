import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { PortolanError, type Problem, portolanError, problem } from '@portolan/model';
import { ROUTE_PROTOCOL } from '@portolan/render';
import { toolEnvironment } from './exec.js';
import { SCHEDULERS } from './modules.js';
import type { Exec, Executed } from './ports.js';

type Argv = readonly [string, ...string[]];

/** Programs that a node needs, with the Debian package of each; those of balancing only where it balances. */
const packages = { ip: 'iproute2', bridge: 'iproute2', unshare: 'util-linux', conntrack: 'conntrack' } as const;
const packagesOfBalancing = { ipvsadm: 'ipvsadm' } as const;

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
export async function missingTools(balances: boolean): Promise<readonly Problem[]> {
  const missing: Problem[] = [];
  for (const [program, debian] of Object.entries({ ...packages, ...(balances ? packagesOfBalancing : {}) })) {
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
  /** Whether it and the kernel have --random-fully for masquerading (iptables 1.6.2, Linux 3.14). */
  readonly randomFully: boolean;
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

/** Its lines are each the arguments of one run. By `-` it would open /dev/stdin, which not every container has. */
export const LOAD_FLOWS: Argv = ['conntrack', '--load-file', '/proc/self/fd/0'];

/** A rule of each match and target that the renderer uses, but for IPVS and random ports. */
const RULES = `*nat
:PTL-PROBE - [0:0]
-A PTL-PROBE -m addrtype --dst-type LOCAL -m comment --comment probe -j RETURN
-A PTL-PROBE -m mark --mark 0x4000/0x4000 -j RETURN
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

const RANDOM_RULES = RULES.replace('-j MASQUERADE', '-j MASQUERADE --random-fully');

const IPVS_RULE = `*nat
-A POSTROUTING -d 192.0.2.0/24 -m ipvs --ipvs -j SNAT --to-source 192.0.2.1
COMMIT
`;

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

async function inNewNamespace(exec: Exec, argv: Argv, input: string): Promise<string | undefined> {
  const ran = await exec.run(['unshare', '--net', '--', ...argv], { input });
  return ran.exitCode === 0 ? undefined : lastLine(ran.stderr);
}

/** The first iptables that can do everything we need in a new namespace. Fails with `tool-missing` or `kernel-feature-missing`. */
export async function chooseIptables(exec: Exec): Promise<Iptables> {
  const failures: string[] = [];
  for (const { restore, save, show } of candidates) {
    if (!(await isInstalled(restore[0]))) continue;
    const random = await inNewNamespace(exec, [...restore, '--noflush'], RANDOM_RULES);
    const failure = random === undefined ? undefined : await inNewNamespace(exec, [...restore, '--noflush'], RULES);
    if (failure === undefined) {
      const { stdout } = await exec.run(show);
      return { restore, save, version: stdout.trim(), randomFully: random === undefined };
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

/** What the kernel must have, as a line for `ip` that fails without it. */
const IP_LINES = [
  { feature: 'bridge', line: 'link add ptlprobe0 type bridge' },
  { feature: 'vxlan', line: 'link add ptlprobe1 type vxlan id 1 dstport 4789 learning proxy l2miss l3miss' },
  { feature: 'veth', line: 'link add ptlprobe2 type veth peer name ptlprobe3' },
  { feature: 'policy routing', line: `rule add from 192.0.2.1 lookup 4096 protocol ${ROUTE_PROTOCOL}` },
] as const;

function missingModule(name: string, why: string): Problem {
  const isModule = !name.includes(' ');
  return problem(
    'kernel-feature-missing',
    '',
    `the kernel lacks ${name}${why === '' ? '' : ` (${why})`}`,
    `${isModule ? `Load the module on the node: modprobe ${name}. Where there is none, run` : 'Run'} a kernel that has it (Debian: apt-get install linux-image-amd64).`,
  );
}

/** Lines for one tool, of which each stands for a module: the modules whose lines fail. All are tried at once; one by one only where that fails. */
async function failingLines(exec: Exec, argv: Argv, lines: readonly { readonly feature: string; readonly line: string }[]): Promise<readonly Problem[]> {
  const attempt = (some: typeof lines) => exec.run(['unshare', '--net', '--', ...argv], { input: some.map(({ line }) => `${line}\n`).join('') });
  const fails = ({ exitCode, stderr }: Executed): boolean => exitCode !== 0 || stderr.trim() !== '';
  if (!fails(await attempt(lines))) return [];
  const missing: Problem[] = [];
  for (const each of lines) {
    const ran = await attempt([each]);
    if (fails(ran)) missing.push(missingModule(each.feature, ran.stderr.trim().split('\n')[0] ?? ''));
  }
  return missing;
}

async function missingForBalancing(exec: Exec, iptables: Pick<Iptables, 'restore'>, hasIpvs: boolean): Promise<readonly Problem[]> {
  const missing: Problem[] = [];
  if (!hasIpvs) missing.push(missingModule('ip_vs', ''));
  else {
    const servers = SCHEDULERS.map((scheduler, i) => ({ feature: `ip_vs_${scheduler}`, line: `-A -f ${i + 1} -s ${scheduler}` }));
    missing.push(...(await failingLines(exec, ['ipvsadm', '-R'], servers)));
  }
  const failure = await inNewNamespace(exec, [...iptables.restore, '--noflush'], IPVS_RULE);
  return failure === undefined ? missing : [...missing, missingModule('xt_ipvs', failure)];
}

/** Link types, policy routing, connection tracking and, for a node that balances, IPVS: each is tried in a new namespace. */
export async function missingFeatures(
  exec: Exec,
  iptables: Pick<Iptables, 'restore'>,
  balancing: { readonly hasIpvs: boolean } | undefined,
): Promise<readonly Problem[]> {
  const missing = [...(await failingLines(exec, ['ip', '-batch', '-'], IP_LINES))];
  if (balancing !== undefined) missing.push(...(await missingForBalancing(exec, iptables, balancing.hasIpvs)));
  const untracked = await inNewNamespace(exec, LOAD_FLOWS, '-D -p udp --dst 192.0.2.1\n');
  if (untracked !== undefined) missing.push(missingModule('nf_conntrack_netlink', untracked));
  return missing;
}

export function throwProblems(problems: readonly Problem[]): void {
  const [first, ...rest] = problems;
  if (first !== undefined) throw new PortolanError([first, ...rest]);
}
