import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { spawnExec } from '../src/exec.js';
import type { Exec, Executed } from '../src/index.js';
import { openLinuxKernel } from '../src/index.js';
import { chooseIptables, missingFeatures } from '../src/tools.js';

const iptables = { restore: ['iptables-restore'] } as const;

/** Answers as a machine would: what `answers` gives for a command line, else success. */
function machine(answers: (command: string, input: string) => Partial<Executed> | undefined): Exec & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    get started() {
      return ran.length;
    },
    run: async (argv, { input = '' } = {}) => {
      ran.push(argv.join(' '));
      return { command: argv.join(' '), exitCode: 0, stdout: '', stderr: '', milliseconds: 0, ...answers(argv.join(' '), input) };
    },
  };
}

describe('chooseIptables', () => {
  it('takes what this machine has', async () => {
    const chosen = await chooseIptables(spawnExec());
    expect(chosen.version).toMatch(/^iptables v1\./);
  });

  it('takes the legacy tool where the kernel has no nf_tables NAT', async () => {
    const exec = machine((command) =>
      command.includes('legacy') ? { stdout: 'iptables v1.8.9 (legacy)\n' } : { exitCode: 4, stderr: 'line 2: RULE_APPEND failed (No such file or directory)' },
    );
    expect(await chooseIptables(exec)).toMatchObject({ restore: ['iptables-legacy-restore'], save: ['iptables-legacy-save'] });
  });

  it('goes without random ports where the tool has none', async () => {
    const exec = machine((_, input) => (input.includes('--random-fully') ? { exitCode: 2, stderr: 'unknown option "--random-fully"' } : undefined));
    expect(await chooseIptables(exec)).toMatchObject({ restore: ['iptables-restore'], randomFully: false });
  });

  it('says why none can be used', async () => {
    await expect(chooseIptables(machine(() => ({ exitCode: 1, stderr: "can't initialize iptables table `nat'" })))).rejects.toMatchObject({
      code: 'kernel-feature-missing',
      message: expect.stringContaining("can't initialize"),
      problems: [{ fix: expect.stringContaining('modprobe') }],
    });
    await expect(chooseIptables(machine(() => ({ exitCode: 1, stderr: 'unshare: unshare failed: Operation not permitted' })))).rejects.toMatchObject({
      problems: [{ fix: expect.stringContaining('root') }],
    });
  });
});

describe('missingFeatures', () => {
  it('names each module that is not there', async () => {
    const exec = machine((command, input) => {
      if (command.includes('ip -batch') && input.includes('type vxlan')) return { exitCode: 1, stderr: 'Error: Unknown device type.\nCommand failed -:2\n' };
      if (command.includes('ip -batch') && input.includes('rule add')) return { exitCode: 2, stderr: 'RTNETLINK answers: Operation not supported\n' };
      if (command.includes('ipvsadm') && input.includes('-s mh')) return { stderr: 'Scheduler or persistence engine not found\n' };
      if (command.includes('conntrack')) return { exitCode: 1, stderr: 'conntrack v1.4.7 (conntrack-tools): Operation failed: Invalid argument' };
      return input.includes('-m ipvs') ? { exitCode: 1, stderr: 'iptables-restore: line 3 failed' } : undefined;
    });
    const missing = await missingFeatures(exec, iptables, { hasIpvs: true });
    expect(missing.map(({ code, message }) => `${code} ${message.split(' (')[0]}`)).toEqual([
      'kernel-feature-missing the kernel lacks vxlan',
      'kernel-feature-missing the kernel lacks policy routing',
      'kernel-feature-missing the kernel lacks ip_vs_mh',
      'kernel-feature-missing the kernel lacks xt_ipvs',
      'kernel-feature-missing the kernel lacks nf_conntrack_netlink',
    ]);
    expect(missing[0]?.fix).toContain('modprobe vxlan');
    expect(missing[1]?.fix).not.toContain('modprobe');
    const bare = await missingFeatures(
      machine(() => undefined),
      iptables,
      { hasIpvs: false },
    );
    expect(bare.map(({ message }) => message)).toEqual(['the kernel lacks ip_vs']);
  });

  it('finds nothing missing on a machine that has everything', async () => {
    expect(
      await missingFeatures(
        machine(() => undefined),
        iptables,
        { hasIpvs: true },
      ),
    ).toEqual([]);
  });
});

it('a node that does not balance needs nothing of IPVS', async () => {
  const exec = machine((command, input) => (command.includes('ipvsadm') || input.includes('ipvs') ? { exitCode: 1 } : undefined));
  expect(await missingFeatures(exec, iptables, undefined)).toEqual([]);
  const kernel = openLinuxKernel({ runDirectory: '/nonexistent/portolan' });
  const facts = await kernel.probe({ balances: false });
  expect(facts).toMatchObject({ kernel: expect.any(String), 'random-fully': 'yes' });
  expect(facts).not.toHaveProperty('ipvsadm');
});

describe('probe', () => {
  it('on this machine gives facts, or names what is missing', async () => {
    const kernel = openLinuxKernel({ runDirectory: '/nonexistent/portolan' });
    if (existsSync('/proc/net/ip_vs')) {
      expect(await kernel.probe({ balances: true })).toMatchObject({ kernel: expect.any(String), iptables: expect.stringContaining('iptables v') });
    } else {
      await expect(kernel.probe({ balances: true })).rejects.toMatchObject({ code: 'kernel-feature-missing', message: expect.stringContaining('ip_vs') });
    }
  });
});
