import { createHash } from 'node:crypto';
import { closeSync, readFileSync } from 'node:fs';
import { ipvsTable } from './ipvs-read.js';
import { AF_INET, callFailure, IPPROTO_RAW, libc, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW, SOL_IP } from './libc.js';
import { netlinkSocket, received, sendTo } from './netlink-socket.js';
import { CHANGE_GROUPS, NETLINK_ROUTE, type RtnetlinkMessage, rtnetlinkParts } from './rtnetlink.js';
import { inSpace } from './spaces.js';
import type { KernelTable } from './written.js';

/** linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h */
const NETLINK_NETFILTER = 12;
const NLM_F_REQUEST = 1;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETGEN = 16;
const NFTA_GEN_ID = 1;
/** struct nlmsghdr and struct nfgenmsg. */
const HEADER = 16;
const FAMILY = 4;
/** IPT_SO_GET_INFO of linux/netfilter_ipv4/ip_tables.h, and the size of its struct ipt_getinfo. */
const IPT_SO_GET_INFO = 64;
const GETINFO = 84;

/** How the iptables that is used keeps its rules. */
export type RulesBackend = 'nf_tables' | 'legacy';

/**
 * What tells that the rules of a namespace were changed, by a few system calls and without reading one of them. nf_tables counts its commits, so
 * nothing escapes. The older ip_tables tell number and size of the rules of each table and where its chains begin: a rule that was
 * replaced by another of its size is left to the timer. Fails with `apply-failed` when the namespace is gone.
 */
function rulesPulse(path: string | undefined, backend: RulesBackend): string {
  return inSpace(path, backend === 'nf_tables' ? generationOfNfTables : sizesOfIpTables);
}

function generationOfNfTables(): string {
  const fd = netlinkSocket(NETLINK_NETFILTER, 0);
  try {
    const request = Buffer.alloc(HEADER + FAMILY);
    request.writeUInt32LE(request.length, 0);
    request.writeUInt16LE((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN, 4);
    request.writeUInt16LE(NLM_F_REQUEST, 6);
    sendTo(fd, request);
    // The kernel answers before `send` returns.
    const answer = received(fd);
    if (typeof answer === 'string' || answer.length < HEADER + FAMILY + 8 || answer.readUInt16LE(HEADER + FAMILY + 2) !== NFTA_GEN_ID) {
      // A kernel without nf_tables has no rules in them.
      return 'none';
    }
    return String(answer.readUInt32BE(HEADER + FAMILY + 4));
  } finally {
    closeSync(fd);
  }
}

function sizesOfIpTables(): string {
  // Asking for a table that is not there would make it.
  const tables = readFileSync('/proc/thread-self/net/ip_tables_names', 'utf8')
    .split('\n')
    .filter((name) => name !== '')
    .sort();
  if (tables.length === 0) return 'none';
  const fd = libc.socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
  if (fd < 0) throw callFailure('socket', 'ip_tables');
  try {
    return tables
      .map((name) => {
        const info = Buffer.alloc(GETINFO);
        info.write(name, 'latin1');
        const length = new Uint8Array(new Int32Array([GETINFO]).buffer);
        if (libc.getsockopt(fd, SOL_IP, IPT_SO_GET_INFO, info, length) !== 0) throw callFailure('getsockopt IPT_SO_GET_INFO', name);
        return `${name} ${info.subarray(32).toString('base64')}`;
      })
      .join('\n');
  } finally {
    closeSync(fd);
  }
}

/** The same of IPVS: its whole table and its timeouts, which are read without a process. */
function serversPulse(path: string | undefined): string {
  const { text, timeouts } = inSpace(path, ipvsTable);
  return createHash('sha1').update(text).update(JSON.stringify(timeouts)).digest('base64');
}

/** Listens for changes of links in a namespace, which its socket keeps alive until it is closed. */
interface LinksPulse {
  /** What was changed since the last look: links with their addresses and routes, or forwarding entries. */
  look(): { readonly links: boolean; readonly peers: boolean };
  close(): void;
}

function linksPulse(path: string | undefined): LinksPulse {
  const fd = inSpace(path, () => netlinkSocket(NETLINK_ROUTE, CHANGE_GROUPS, SOCK_NONBLOCK));
  return {
    look() {
      let [links, peers] = [false, false];
      for (let datagram = received(fd); datagram !== 'nothing'; datagram = received(fd)) {
        // The kernel could not keep them all: anything may have changed.
        if (datagram === 'lost') [links, peers] = [true, true];
        else {
          for (const { message } of rtnetlinkParts(datagram)) {
            if (isLearnt(message)) continue;
            if (message.kind === 'fdb') peers = true;
            else links = true;
          }
        }
      }
      return { links, peers };
    },
    close: () => closeSync(fd),
  };
}

/** What the kernel finds out by itself all day, and forgets. A neighbour that was written is told as one that has failed when it goes. */
function isLearnt(message: RtnetlinkMessage): boolean {
  if (message.kind === 'neighbour') return !message.isPermanent && !message.isGone;
  return message.kind === 'fdb' && !message.isPermanent;
}

/** Knows of one namespace which of its tables have changed since each was read. */
export interface SpacePulse {
  /** The table is read now: what comes later is news. Fails with `apply-failed`. */
  reading(table: KernelTable): void;
  /** Tables that were read and may be other now. Fails with `apply-failed` when the namespace is gone. */
  doubted(): ReadonlySet<KernelTable>;
  close(): void;
}

/**
 * `hearsLinks`: for namespaces of our own. That of a container would live on by the socket after the container has ended, and the host's
 * has a listener that knows what is ours in it.
 */
export function spacePulse(path: string | undefined, backend: RulesBackend, hearsLinks: boolean): SpacePulse {
  const known = new Map<KernelTable, string>();
  let links: LinksPulse | undefined;
  const heard = { links: false, peers: false };
  const pulses: Readonly<Partial<Record<KernelTable, () => string>>> = { rules: () => rulesPulse(path, backend), servers: () => serversPulse(path) };

  function hear(): void {
    const now = links?.look();
    heard.links ||= now?.links === true;
    heard.peers ||= now?.peers === true;
  }

  return {
    reading(table) {
      const pulse = pulses[table];
      if (pulse !== undefined) known.set(table, pulse());
      else if (hearsLinks && (table === 'links' || table === 'peers')) {
        links ??= linksPulse(path);
        hear();
        heard[table] = false;
      }
    },
    doubted() {
      hear();
      const doubted = new Set<KernelTable>((['links', 'peers'] as const).filter((table) => heard[table]));
      for (const [table, before] of known) if (pulses[table]?.() !== before) doubted.add(table);
      return doubted;
    },
    close() {
      links?.close();
      links = undefined;
    },
  };
}
