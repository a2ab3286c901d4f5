export { endpointGatewayRange, wantsGatewayAddress } from './align.js';
export * from './allocate.js';
export * from './drafts.js';
export type { AllocationFault, Field, Place } from './faults.js';
export { type Ledger, ledgerOf, shareLedger } from './ledger.js';
export { podAddresses } from './pods.js';
export * from './release.js';
export { sameAttachment, sameNoun } from './same.js';
export * from './usage.js';
