export { createMemoryAccess, type MemoryAccess } from './access.js';
export { createMemoryCoordination, createMemoryQueue, type MemoryQueue } from './coordination.js';
export { openMemoryCredentials } from './credentials.js';
export { type MemoryFlannelRegistry, openMemoryFlannelRegistry } from './flannel.js';
export { openMemoryStore } from './intent.js';
