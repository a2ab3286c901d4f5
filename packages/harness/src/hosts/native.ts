import { portolanError } from '@portolan/model';
import type { LabMachine, MachineProcess } from './machine.js';
import { runProcess, startProcess } from './process.js';
import { type Subnetwork, underlayOf } from './underlay.js';

/** Comment on the lab's rules in this machine's own packet filter. */
const ruleComment = 'portolan-lab';

/**
 * With br_netfilter (Docker loads it) bridged packets pass the machine's own FORWARD chain, whose policy Docker sets to
 * DROP. The lab's bridge gets through by one rule.
 */
function bridgeRule(action: '-I' | '-D', bridge: string): readonly [string, ...string[]] {
  return ['iptables', '--wait', action, 'FORWARD', '-i', bridge, '-o', bridge, '-m', 'comment', '--comment', ruleComment, '-j', 'ACCEPT'];
}

async function filtersBridges(): Promise<boolean> {
  const { stdout } = await runProcess(['cat', '/proc/sys/net/bridge/bridge-nf-call-iptables']);
  return stdout.trim() === '1';
}

/** Makes a bridge with this machine's address: for hosts here, or for guests. Fails with `apply-failed`. */
export async function makeBridge(link: string, { gateway, prefixLength }: Subnetwork): Promise<void> {
  const lines = [`link add ${link} type bridge`, `addr add ${gateway}/${prefixLength} dev ${link}`, `link set ${link} up`];
  const { exitCode, stderr } = await runProcess(['ip', '-batch', '-'], `${lines.join('\n')}\n`);
  if (exitCode !== 0) {
    await removeUnderlay(link);
    throw portolanError('apply-failed', '', `the bridge ${link} cannot be made: ${stderr.trim()}`, {
      fix: 'Run as root; npm run lab -- --down removes an old one.',
    });
  }
  if (await filtersBridges()) await runProcess(bridgeRule('-I', link));
}

/** This machine itself: the hosts hang on a bridge of its own. Fails with `apply-failed`. */
export async function openNativeMachine(link: string, subnetwork: Subnetwork): Promise<LabMachine> {
  await makeBridge(link, subnetwork);
  const processes = new Set<MachineProcess>();
  return {
    kind: 'native',
    underlay: underlayOf(link, subnetwork),
    reserved: [],
    guestPid: undefined,
    lost: new Promise(() => {}),
    run: (argv, input) => runProcess(argv, input),
    async start(argv, options) {
      const started = await startProcess(argv, options);
      processes.add(started);
      void started.exited.then(() => processes.delete(started));
      return started;
    },
    async stop() {
      await Promise.all(
        [...processes].map(async (process) => {
          await process.kill('SIGKILL');
          await process.exited;
        }),
      );
      await removeUnderlay(link);
    },
  };
}

/** Removes the bridge or tap and the rule of its traffic, as far as they exist. True when there was something. */
export async function removeUnderlay(link: string): Promise<boolean> {
  // The rule may have been made twice by starts that were killed.
  while ((await runProcess(bridgeRule('-D', link))).exitCode === 0);
  return (await runProcess(['ip', 'link', 'delete', link])).exitCode === 0;
}
