export { createMemoryCoordination, createMemoryQueue, type MemoryQueue } from './coordination.js';
export { openMemoryStore } from './intent.js';
