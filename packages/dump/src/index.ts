export * from './fault.js';
export * from './namespace.js';
