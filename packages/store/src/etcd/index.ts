export { type CoordinationOptions, openCoordination } from './coordination.js';
