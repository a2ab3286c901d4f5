export * from './fault.js';
export { loopback, withKernelParts } from './kernel-parts.js';
export * from './namespace.js';
export { printNamespace, printRealServer, printRule, printServers, printTables, printVirtualServer } from './print.js';
export { readNamespace } from './read.js';
export { dumpsOfState, namesOfSpaces } from './state.js';
export { builtInChains } from './tables.js';
