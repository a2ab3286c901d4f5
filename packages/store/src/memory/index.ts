export { createMemoryCoordination, createMemoryQueue, type MemoryQueue } from './coordination.js';
export { type MemoryFlannelRegistry, openMemoryFlannelRegistry } from './flannel.js';
export { openMemoryStore } from './intent.js';
