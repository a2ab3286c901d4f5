export { runPortolan } from './cli.js';
export type { Terminal } from './terminal.js';
