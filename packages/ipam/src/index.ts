export * from './allocate.js';
export * from './drafts.js';
export * from './faults.js';
export { type Ledger, ledgerOf, shareLedger } from './ledger.js';
export { sameAttachment, sameNoun } from './same.js';
