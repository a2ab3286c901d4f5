export { spawnExec } from './exec.js';
export * from './fake.js';
export * from './holder.js';
export * from './linux.js';
export * from './ports.js';
export { type KernelTable, type Written, writtenBy } from './written.js';
export { inNamespace, type SocketOptions, socketIn } from './in-namespace.js';
