export { leftovers, takeDown } from './down.js';
export { type Lab, type LabOptions, startLab } from './lab.js';
export type { LoadAnswers } from './programs/load.js';
export { programs } from './programs/paths.js';
export type { Answer, Answers } from './programs/requests.js';
export { proveLab } from './proof.js';
