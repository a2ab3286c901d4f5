export { asFound, heldBack, type Target } from './aside.js';
export { dependentsOf, neededFrom, type Placed } from './depend.js';
export { diffNodeState } from './diff.js';
export { narrowedName, waysOfNames } from './names.js';
export { changesInPlace, isName, isRule, type LinkEnd, linkEnds, restsOn } from './place.js';
export * from './plan.js';
export { type PlannedStep, plannedSteps } from './planned.js';
export { type Risk, worstRisk } from './risk.js';
