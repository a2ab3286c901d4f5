export * from './engine/fault.js';
export * from './expected.js';
export * from './facts.js';
export * from './finding.js';
