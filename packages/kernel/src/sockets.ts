/** Sockets in namespaces and nothing else: what a thread that only serves sockets loads. */
export { type Datagrams, datagrams, type Sender } from './datagrams.js';
export { inNamespace, type SocketOptions, socketIn } from './in-namespace.js';
