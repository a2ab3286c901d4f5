export { createMemoryCoordination, createMemoryQueue, type MemoryQueue } from './coordination.js';
