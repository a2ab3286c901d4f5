export { explanationOf } from './explain.js';
export * from './explanation.js';
export { pathsOf, type Start } from './walk.js';
export * from './world.js';
