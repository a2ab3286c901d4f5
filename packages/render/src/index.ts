export * from './batch.js';
export { renderPlan } from './render-plan.js';
export * from './scan.js';
export { scanIpvsadm, scanIpvsTimeouts } from './scan-ipvsadm.js';
export { joinVeths, scanLinks } from './scan-links.js';
export { scanFdb, scanNeighbours, scanSysctls } from './scan-peers.js';
export { scanRivals, scanRouteRules, scanRoutes } from './scan-routes.js';
export { scanIptablesSave } from './scan-rules.js';
export { ROUTE_PROTOCOL } from './tag.js';
