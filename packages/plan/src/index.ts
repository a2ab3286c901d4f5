export { diffNodeState } from './diff.js';
export { changesInPlace, isRule } from './place.js';
export * from './plan.js';
