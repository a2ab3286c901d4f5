export * from './changesets.js';
export * from './credentials.js';
export * from './ports.js';
export { settledRevisionOf } from './settled.js';
