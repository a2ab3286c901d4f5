export * from './build.js';
export * from './objects.js';
