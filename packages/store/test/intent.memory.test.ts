import { openMemoryStore } from '../src/memory/index.js';
import { describeIntentStore } from './intent.contract.js';

describeIntentStore('memory', async () => {
  const store = openMemoryStore();
  return { store, reopen: async () => store };
});
