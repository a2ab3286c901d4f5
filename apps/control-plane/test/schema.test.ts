import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSchema, findBreakingChanges, type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { expect, it } from 'vitest';
import { graphqlSchema } from '../src/graphql/schema.js';

const file = fileURLToPath(new URL('../schema.graphql', import.meta.url));
const released = readFileSync(new URL('../schema.released.graphql', import.meta.url), 'utf8');

/** What clients of the last release lose on purpose; each line also belongs in the notes of the next one. Empty again after a release. */
const accepted: readonly string[] = [];

const broken = (schema: GraphQLSchema): readonly string[] => findBreakingChanges(buildSchema(released), schema).map(({ description }) => description);

it('is the schema that is checked in; `npm run schema` writes it anew', async () => {
  await expect(`${printSchema(lexicographicSortSchema(graphqlSchema()))}\n`).toMatchFileSnapshot(file);
});

it('serves the clients of the last release', () => {
  expect(
    broken(graphqlSchema()),
    'Clients of the last release (apps/control-plane/schema.released.graphql) would break. Keep what they use beside what is new (deprecationReason); ' +
      'or, on purpose, add the lines to `accepted` in this test. With a release, copy schema.graphql over schema.released.graphql.',
  ).toEqual(accepted);
});

it.each([
  ['a field that is gone', /^ {2}appliedRevision: Int!$/m, '', 'appliedRevision was removed'],
  ['a field that may be null', /^ {2}intentRevision: Int!$/m, '  intentRevision: Int', 'intentRevision changed type'],
  ['an argument that is needed', /cluster\(name: String!\)/, 'cluster(name: String!, at: Int!)', 'required arg at'],
  ['a word that is gone', /^ {2}superseded$/m, '', 'superseded was removed'],
  ['a field of an input that is needed', /^input NodeInput {$/m, 'input NodeInput {\n  rack: String!', 'required field rack'],
])('sees %s', (_what, from, to, expected) => {
  const changed = released.replace(from, to);
  expect(changed).not.toBe(released);
  expect(broken(buildSchema(changed)).join('\n')).toContain(expected);
});
