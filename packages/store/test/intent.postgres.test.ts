import { afterAll, beforeAll } from 'vitest';
import type { IntentStore } from '../src/ports.js';
import { openPostgresStore } from '../src/postgres/index.js';
import { startDatabases, type TestDatabases } from './fixtures/database.js';
import { describeIntentStore, type StoreUnderTest } from './intent.contract.js';
import { describeNodeProgress } from './progress.contract.js';
import { describeTrust } from './trust.contract.js';

let databases: TestDatabases;
let url: string;
const open: IntentStore[] = [];

beforeAll(async () => {
  databases = await startDatabases();
  url = await databases.create('contract');
  await openStore().migrate();
});
afterAll(async () => {
  await Promise.all(open.map((store) => store.close()));
  await databases.stop();
});

function openStore(): IntentStore {
  const store = openPostgresStore({ url, poolSize: 4 });
  open.push(store);
  return store;
}

async function subject(): Promise<StoreUnderTest> {
  await databases.query(url, 'DELETE FROM clusters');
  return { store: openStore(), reopen: async () => openStore() };
}

describeIntentStore('postgres', subject);
describeNodeProgress('postgres', subject);
describeTrust('postgres', subject);
