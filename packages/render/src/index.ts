export * from './batch.js';
export * from './scan.js';
export * from './signatures.js';
