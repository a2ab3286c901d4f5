import { openMemoryStore } from '../src/memory/index.js';
import { describeIntentStore, type StoreUnderTest } from './intent.contract.js';
import { describeNodeProgress } from './progress.contract.js';
import { describeTrust } from './trust.contract.js';

async function subject(): Promise<StoreUnderTest> {
  const store = openMemoryStore();
  return { store, reopen: async () => store };
}

describeIntentStore('memory', subject);
describeNodeProgress('memory', subject);
describeTrust('memory', subject);
