// A worker thread does not take over the loader of its parent: it registers its own, and then runs the sources.
import { register } from 'tsx/esm/api';

register();
await import('./worker.ts');
