export * from './engine/fault.js';
export * from './expected.js';
export * from './facts.js';
export * from './finding.js';
export * from './object.js';
export * from './snapshot.js';
