export { diffNodeState } from './diff.js';
export { narrowedName } from './names.js';
export { changesInPlace, isName, isRule } from './place.js';
export * from './plan.js';
export { type PlannedStep, plannedSteps } from './planned.js';
export { type Risk, worstRisk } from './risk.js';
