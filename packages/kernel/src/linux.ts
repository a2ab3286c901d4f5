import { existsSync } from 'node:fs';
import { access, readdir, readFile, rm } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { portolanError } from '@portolan/model';
import { emptyNodeState, type NodeState } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { type Layout, renderPlan } from '@portolan/render';
import { batchApplier } from './apply.js';
import { spawnExec } from './exec.js';
import { ownFiles } from './files.js';
import { modulesOf } from './modules.js';
import { memoryOfNames } from './names.js';
import { kernelObserver } from './observe.js';
import type { Exec, FoundNamespace, Kernel, NameServer, UdpRelay } from './ports.js';
import { memoryOfRelay } from './relay.js';
import { endpointResolver } from './resolve.js';
import { endpointIdOf, ownFolder, ownPath } from './spaces.js';
import { chooseIptables, type Iptables, missingFeatures, missingTools, throwProblems } from './tools.js';

export interface LinuxKernelOptions {
  /** Folder of this agent alone, such as /run/portolan: its namespaces and what it remembers until the next boot. */
  readonly runDirectory: string;
  readonly exec?: Exec;
  /** What answers the names of a plan; unless given they are only remembered. */
  readonly names?: NameServer;
  /** What carries packets for flannel's udp backend; unless given it is only remembered. */
  readonly relay?: UdpRelay;
  /** Folder that the paths of files begin at; / unless given. */
  readonly fileRoot?: string;
  /** Path of the network namespace that is the host's; that of this process unless given. */
  readonly host?: string;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The kernel of a host. */
export function openLinuxKernel(options: LinuxKernelOptions): Kernel {
  const { runDirectory, exec = spawnExec(), names = memoryOfNames(), relay = memoryOfRelay(), fileRoot = '/', host } = options;
  const surroundings = { exec, runDirectory, host };
  const recordOfFiles = join(runDirectory, 'files.json');
  const beside = { names, relay, files: ownFiles(fileRoot, recordOfFiles) };
  let randomFully = true;
  let found: Readonly<Record<string, FoundNamespace>> = {};
  const layout: Layout = {
    pathOf: (space) => {
      const id = endpointIdOf(space);
      if (id === undefined) return ownPath(runDirectory, space.slice('own:'.length));
      const namespace = found[id];
      if (namespace === undefined) throw portolanError('apply-failed', '', `the namespace of endpoint ${id} is absent`);
      return namespace.path;
    },
    ipv6: existsSync('/proc/net/if_inet6'),
    // It is known as soon as something was observed.
    get randomFully() {
      return randomFully;
    },
  };

  let chosen: Promise<Iptables> | undefined;
  const iptables = (): Promise<Iptables> => {
    chosen ??= chooseIptables(exec).then(
      (tool) => {
        randomFully = tool.randomFully;
        return tool;
      },
      (error: unknown) => {
        // It is asked again: somebody may install what was missing.
        chosen = undefined;
        throw error;
      },
    );
    return chosen;
  };
  const resolve = endpointResolver(surroundings);
  const observer = kernelObserver(surroundings, beside, iptables);
  const observe: Kernel['observe'] = async (request) => {
    const resolved = await resolve(request.endpoints);
    // Batches that are rendered from this observation name these paths, whatever a later `resolve` finds.
    found = resolved.found;
    return observer.observe(request, resolved);
  };
  const apply = batchApplier(surroundings, { layout, iptables, ...beside, found: () => found });

  const probe: Kernel['probe'] = async ({ balances }) => {
    throwProblems(await missingTools(balances));
    if (await exists('/proc/modules')) await exec.run(['modprobe', '-a', '-q', ...modulesOf(balances)]).catch(() => undefined);
    const tool = await iptables();
    throwProblems(await missingFeatures(exec, tool, balances ? { hasIpvs: await exists('/proc/net/ip_vs') } : undefined));
    const ip = await exec.run(['ip', '-V']);
    return {
      kernel: release(),
      iproute2: ip.stdout.trim(),
      iptables: tool.version,
      'iptables-restore': tool.restore.join(' '),
      ...(balances ? { ipvsadm: (await exec.run(['ipvsadm', '--version'])).stdout.trim() } : {}),
      'random-fully': randomFully ? 'yes' : 'no',
      ipv6: layout.ipv6 === false ? 'no' : 'yes',
      br_netfilter: (await showsBridgedPackets()) ? 'yes' : 'no',
    };
  };

  /** Of the host's own namespace; without the module there is no such file. */
  async function showsBridgedPackets(): Promise<boolean> {
    return (await readFile('/proc/sys/net/bridge/bridge-nf-call-iptables', 'utf8').catch(() => '')).trim() === '1';
  }

  async function purge(endpoints: NodeState['endpoints']): Promise<void> {
    const nothing = emptyNodeState(endpoints);
    // Sysctls stay as they are, so none is read.
    const request = { endpoints, sysctls: new Map() };
    const before = await observe(request);
    const failed = (await apply(renderPlan(diffNodeState(before, nothing), nothing, layout))).filter(({ exitCode }) => exitCode !== 0);
    // Whatever a plan leaves in a damaged namespace of our own goes with the namespace.
    const folders = await readdir(ownFolder(runDirectory)).catch(() => [] as string[]);
    await apply(folders.map((name) => ({ space: 'host', tool: 'netns', text: `delete ${name}\n`, keys: [] })));
    const after = await observe(request);
    const left = after.objects.map(({ key }) => key);
    if (left.length > 0) {
      throw portolanError(
        'apply-failed',
        '',
        `purge left ${left.slice(0, 10).join(', ')}${failed.map(({ command, stderr }) => `; ${command}: ${stderr.trim()}`).join('')}`,
      );
    }
    await rm(join(runDirectory, 'attached'), { recursive: true, force: true });
    await rm(ownFolder(runDirectory), { recursive: true, force: true });
    await rm(recordOfFiles, { force: true });
  }

  return {
    layout,
    probe,
    resolve,
    observe,
    doubts: observer.doubts,
    apply,
    rulesOf: (space) => observer.rulesOf(space),
    purge,
  };
}
