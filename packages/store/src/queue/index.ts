export { openHintQueue, type QueueOptions } from './hint-queue.js';
export { openHintSource, type SourceOptions } from './hint-source.js';
