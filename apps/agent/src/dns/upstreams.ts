import { readFileSync, statSync } from 'node:fs';
import type { Ipv4 } from '@portolan/model';
import type { Clock } from '../clock.js';

/** As many as libc takes of /etc/resolv.conf (MAXNS of resolv.h). */
const MOST = 3;
/** resolv.conf is looked at so often at most, in milliseconds. */
const LOOK_EVERY = 1_000;
/** Our own address in the namespaces of endpoints: to ask it would be to ask ourselves. */
const OWN = '127.0.0.11';

/** Name servers in the text of a resolv.conf, without our own. */
export function serversIn(text: string): readonly string[] {
  const named = [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, address = '']) => address);
  return withoutLoops(named);
}

function withoutLoops(servers: readonly string[]): readonly string[] {
  return [...new Set(servers)].filter((server) => server !== OWN).slice(0, MOST);
}

/** The servers of the host's resolv.conf, read again when the file has changed. None while it cannot be read. */
export function hostServers(path: string, clock: Clock): () => readonly string[] {
  let servers: readonly string[] = [];
  let lookedAt = Number.NEGATIVE_INFINITY;
  let version = '';
  return () => {
    if (clock.now() - lookedAt < LOOK_EVERY) return servers;
    lookedAt = clock.now();
    try {
      const { mtimeMs, ino, size } = statSync(path);
      const found = `${ino} ${mtimeMs} ${size}`;
      if (found !== version) servers = serversIn(readFileSync(path, 'utf8'));
      version = found;
    } catch {
      servers = [];
      version = '';
    }
    return servers;
  };
}

/** The servers to ask, in order: those that are configured, else the host's. */
export function serversToAsk(configured: readonly Ipv4[], ofHost: () => readonly string[]): readonly string[] {
  return configured.length > 0 ? withoutLoops(configured) : ofHost();
}
