export * from './edit.js';
