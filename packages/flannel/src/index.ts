export { configFault, encodeConfig, ownFieldOf, specOfConfig } from './config.js';
export { type FlannelLayout, flannelLayout, isOwnSubnet } from './layout.js';
export { encodeLease, type LeaseValue, leaseKey, readLease } from './lease.js';
export { vtepMacOf } from './mac.js';
export { leasesOf } from './mirror.js';
export { neighbourhoodOf } from './neighbourhood.js';
export { type RegistryPlan, type RegistryWrite, registryPlan } from './plan.js';
export { isPodAddress, type PodLayout, podLayout } from './pods.js';
export * from './registry.js';
