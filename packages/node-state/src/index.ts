export * from './build.js';
export * from './delta.js';
export * from './objects.js';
export * from './sysctls.js';
