import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Real swarms of three nodes that are as they should be, Docker 20.10.24, each collected some time after its last change:
 *
 *     capture      an internal service, and one that is published
 *     running      the same, another time
 *     scaled       the internal one has five tasks
 *     drained      a node is drained
 *     back         the node is active again, the services were scaled once more
 *     removed      the published service is gone
 *     mixed        two overlays, a service on both with tcp and udp ports, dnsrr, a global service with a port of mode host
 *     restarted    the same after the daemon of a node was started anew
 *     attached     an internal and an attachable network, and a container that is no task
 *     idle         a published service without tasks, one whose tasks were all replaced
 *     many         services without networks, one port for tcp and udp, host ports over udp and of a dnsrr service, six tasks on two overlays
 */
export const healthyCaptures = ['capture', 'running', 'scaled', 'drained', 'back', 'removed', 'mixed', 'restarted', 'attached', 'idle', 'many'] as const;

/** A swarm of the same kind of which Docker itself has left a part undone: `service update --publish-add` (moby#51656). */
export const PORT_ADDED = 'port-added';

const unpacked = new Map<string, string>();

/** The directory of a capture; one that is packed is unpacked once a process, until it ends. */
export function directoryOf(name: string): string {
  const directory = fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
  if (existsSync(directory)) return directory;
  const known = unpacked.get(name);
  if (known !== undefined) return known;
  const made = mkdtempSync(join(tmpdir(), 'portolan-capture-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  execFileSync('tar', ['-xzf', `${directory}.tar.gz`, '-C', made]);
  unpacked.set(name, made);
  return made;
}
