export type { Clock, Log } from './application/context.js';
export { type Authority, openAuthority } from './application/credentials/authority.js';
export { systemClock } from './clock.js';
export { listenOn } from './listen.js';
export { randomId } from './new-id.js';
export { buildControlPlane, type ControlPlane, type ControlPlaneParts } from './server.js';
