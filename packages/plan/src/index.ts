export { diffNodeState } from './diff.js';
export { changesInPlace, isLink, isRule } from './place.js';
export * from './plan.js';
