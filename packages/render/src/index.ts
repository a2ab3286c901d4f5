export * from './batch.js';
export * from './scan.js';
