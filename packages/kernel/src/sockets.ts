/** Sockets and packets in namespaces and nothing else: what a thread that only serves these loads. */
export { type Datagrams, datagrams, type ReceivingLane, receivingLane, type Sender, type SendingLane, sendingLane } from './datagrams.js';
export { inNamespace, type SocketOptions, socketIn } from './in-namespace.js';
export { lastErrno } from './libc.js';
export { holdsLock, type LinkFacts, linkFacts, openTun, type PollSet, pipe, pollSet, readNow, receiveBuffer, writeNow } from './tun.js';
