export * from './explain.js';
export * from './explanation.js';
export * from './world.js';
