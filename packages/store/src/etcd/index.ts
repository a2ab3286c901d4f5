export { type CoordinationOptions, openCoordination } from './coordination.js';
export { type FlannelRegistryOptions, openFlannelRegistry } from './flannel.js';
