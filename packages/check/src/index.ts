export { blockersOf, type SeenOnNodes } from './blockers.js';
export * from './check.js';
export * from './finding.js';
export type { ForeignMark } from './marks.js';
