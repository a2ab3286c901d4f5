export { establishedConnections } from './connections.js';
export { spawnExec } from './exec.js';
export * from './fake.js';
export * from './holder.js';
export { inNamespace, type SocketOptions, socketIn } from './in-namespace.js';
export * from './linux.js';
export * from './ports.js';
export { underlayMtu } from './underlay.js';
export { type KernelTable, type Written, writtenBy } from './written.js';
