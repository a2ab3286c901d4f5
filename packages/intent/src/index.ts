export { findNoun } from './find.js';
export { applyManifest, manifestOf } from './manifest.js';
export { createNoun, deleteNoun, patchNoun, replaceNoun } from './nouns.js';
export { parseManifest, parseSpec } from './parse.js';
export { setPresence } from './presence.js';
export { schemaProblems } from './schema-problems.js';
export { patchSettings } from './settings.js';
export { specOf } from './specs.js';
export type { NewId, NounSpecs, Nouns } from './types.js';
