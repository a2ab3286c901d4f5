export { explanationOf } from './explain.js';
export * from './explanation.js';
export { flowChanges, type ReachFilter, reachOf } from './reach.js';
export * from './world.js';
