export * from './check.js';
export * from './finding.js';
