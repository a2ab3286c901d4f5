export { type BalancedPlace, balancedPlaces } from './balanced.js';
export { type ComputeOptions, computeNodeState } from './graph.js';
export { watchersOf } from './watch.js';
