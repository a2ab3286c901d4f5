export * from './errors.js';
export * from './flannel.js';
export * from './history.js';
export * from './ipv4.js';
export * from './nouns.js';
export * from './snapshot.js';
export * from './traffic.js';
