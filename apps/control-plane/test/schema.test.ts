import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { graphqlSchema } from '../src/graphql/schema.js';

// The same module as the schema was made with: there is one for `import` and one for `require`.
const { lexicographicSortSchema, printSchema } = createRequire(import.meta.url)('graphql') as typeof import('graphql');

const file = fileURLToPath(new URL('../schema.graphql', import.meta.url));

it('is the schema that is checked in; `npm run schema` writes it anew', async () => {
  await expect(`${printSchema(lexicographicSortSchema(graphqlSchema()))}\n`).toMatchFileSnapshot(file);
});
