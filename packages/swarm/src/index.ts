export { type SwarmIndex, swarmIndex } from './docker/roster.js';
export { dockerState } from './docker/state.js';
export * from './engine/fault.js';
export * from './expected.js';
export * from './facts.js';
export * from './finding.js';
export * from './object.js';
export * from './snapshot.js';
