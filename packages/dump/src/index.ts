export * from './fault.js';
export * from './namespace.js';
export { printNamespace, printRealServer, printRule, printVirtualServer } from './print.js';
export { readNamespace } from './read.js';
export { dumpsOfState, namesOfSpaces } from './state.js';
