import { readFileSync } from 'node:fs';
import { inNamespace } from './in-namespace.js';

/** States of a TCP socket in /proc/net/tcp (net/tcp_states.h). */
const ESTABLISHED = '01';
const LISTEN = '0A';

/**
 * Number of established TCP connections of the namespace at `path` that came in: those whose local port is one that is
 * listened on there. Fails with `apply-failed` when the namespace is gone.
 */
export function establishedConnections(path: string): number {
  const tables = inNamespace(path, () => ['tcp', 'tcp6'].map(socketTable));
  const listened = new Set<string>();
  const connected: string[] = [];
  for (const line of tables.flatMap((table) => table.split('\n'))) {
    // `  0: 0100007F:1F90 00000000:0000 0A …`: number, local, remote, state.
    const [, local, , state] = line.trim().split(/\s+/, 4);
    const port = local?.slice(local.lastIndexOf(':') + 1);
    if (port === undefined) continue;
    if (state === LISTEN) listened.add(port);
    else if (state === ESTABLISHED) connected.push(port);
  }
  return connected.filter((port) => listened.has(port)).length;
}

/** Of this thread's namespace: that of the process is its first thread's. Empty where the kernel has none, such as tcp6 without IPv6. */
function socketTable(name: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, 'utf8');
  } catch {
    return '';
  }
}
