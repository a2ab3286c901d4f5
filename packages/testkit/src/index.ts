export { manifestArbitrary } from './arbitraries.js';
export { bjdtManifest, sampleSnapshot } from './bjdt.js';
export { endpointDefaults, flannelDefaults, networkDefaults, nodeDefaults, portDefaults, serviceDefaults } from './defaults.js';
export { emptySnapshot } from './empty.js';
export { seededIds } from './ids.js';
export { type ClusterSize, largeManifest, largeSnapshot } from './large.js';
export { DATA_PLANE_DEADLINE, dataPlaneManifest, dataPlaneSnapshot } from './one-of-everything.js';
export { seededReals } from './random.js';
