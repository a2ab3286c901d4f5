import { closeSync } from 'node:fs';
import { SOCK_NONBLOCK } from './libc.js';
import { netlinkSocket, received, sendTo } from './netlink-socket.js';
import { CHANGE_GROUPS, type LinkFacts, linksRequest, NETLINK_ROUTE, type RtnetlinkMessage, rtnetlinkParts } from './rtnetlink.js';
import { inSpace } from './spaces.js';

type Named<M> = M extends { readonly kind: 'link' }
  ? M & {
      /** As it was before; undefined for one that is new. */
      readonly before: LinkFacts | undefined;
    }
  : M extends { readonly index: number }
    ? M & {
        /** Name of the link; empty where it is not known any more. */
        readonly link: string;
      }
    : M;

/** A change in the kernel of a host that was made by anybody, we included. IPv4 only. */
export type KernelEvent = Named<RtnetlinkMessage>;

export interface KernelEventsOptions {
  /** Path of the network namespace; that of this process unless given. */
  readonly host?: string | undefined;
  readonly onEvent: (event: KernelEvent) => void;
  /** More came than could be kept: anything may have changed. */
  readonly onLost: () => void;
  /** Nothing is told any more. */
  readonly onEnd: (error: Error) => void;
}

export interface KernelEvents {
  close(): void;
}

/** Milliseconds between two looks at the socket. */
const EVERY = 100;
/** Datagrams that are read before others have their turn. */
const AT_ONCE = 500;

/**
 * Tells of changes in the network namespace of a host, at most 100 ms after them, by the notifications of rtnetlink(7). It is a socket
 * of this process that is looked at ten times a second (Node has no way to wait for one), and not `ip monitor`: no process is left when
 * this one is killed, none must be watched and started anew, a loss is told by the kernel instead of going unseen in a pipe, and what has
 * changed need not be guessed from text for people. Fails with `apply-failed` when the namespace is gone or no socket is to be had.
 */
export function kernelEvents({ host, onEvent, onLost, onEnd }: KernelEventsOptions): KernelEvents {
  const fd = inSpace(host, () => netlinkSocket(NETLINK_ROUTE, CHANGE_GROUPS, SOCK_NONBLOCK));
  const links = new Map<number, LinkFacts>();
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let hasLost = false;

  function close(): void {
    if (isClosed) return;
    isClosed = true;
    clearTimeout(timer);
    closeSync(fd);
  }

  /** Events name links by number only. */
  function askForLinks(): void {
    sendTo(fd, linksRequest());
  }

  function named(message: RtnetlinkMessage): KernelEvent {
    if (message.kind === 'link') {
      const before = links.get(message.link.index);
      if (message.isGone) links.delete(message.link.index);
      else links.set(message.link.index, message.link);
      return { ...message, before };
    }
    if ('index' in message) return { ...message, link: links.get(message.index)?.name ?? '' };
    return message;
  }

  function take(datagram: Buffer): void {
    for (const { message, isAnswer } of rtnetlinkParts(datagram)) {
      const event = named(message);
      if (!isAnswer && !isClosed) onEvent(event);
    }
  }

  /** Whether more may be waiting. */
  function read(): boolean {
    for (let count = 0; count < AT_ONCE && !isClosed; count += 1) {
      const datagram = received(fd);
      if (datagram === 'nothing') return false;
      if (datagram === 'lost') hasLost = true;
      else take(datagram);
    }
    return true;
  }

  /** What comes after a loss is lost, too, until all that waits is read. */
  function recover(): void {
    hasLost = false;
    askForLinks();
    onLost();
  }

  function look(): void {
    try {
      const isMore = read();
      if (!isMore && hasLost) recover();
      if (isClosed) return;
      timer = setTimeout(look, isMore ? 0 : EVERY);
      timer.unref();
    } catch (error) {
      close();
      onEnd(error instanceof Error ? error : new Error(String(error)));
    }
  }

  try {
    askForLinks();
  } catch (error) {
    close();
    throw error;
  }
  look();
  return { close };
}
