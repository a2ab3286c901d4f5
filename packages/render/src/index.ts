export * from './batch.js';
export { renderPlan } from './render-plan.js';
export * from './scan.js';
export { scanIpvsadm, scanIpvsTimeouts } from './scan-ipvsadm.js';
export { joinVeths, scanLinks } from './scan-links.js';
export { scanFdb, scanNeighbours, scanRouteRules, scanRoutes, scanSysctls } from './scan-peers.js';
export { scanIptablesSave } from './scan-rules.js';
export { ROUTE_PROTOCOL } from './tag.js';
