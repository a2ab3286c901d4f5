export { computeNodeState } from './graph.js';
