import { PortolanError } from '@portolan/model';
import { buildSchema, GraphQLError, getIntrospectionQuery, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { complexityLimit, fieldCounter, MOST_FIELDS, operationsOf, type Variables } from '../src/graphql/complexity.js';
import { graphqlSchema } from '../src/graphql/schema.js';

const ships = buildSchema(`
  type Query { flagship: Ship! ships(limit: Int): [Ship!]! named: [Named!]! }
  type Subscription { ships(limit: Int = 20): [Ship!]! }
  interface Named { name: String! }
  type Ship implements Named { name: String! crew(limit: Int = 5): [Sailor!]! ports: [Port!]! flags: [String!]! }
  type Sailor { name: String! ship: Ship! }
  type Port implements Named { name: String! ships(limit: Int): [Ship!]! }
`);
const portolan = graphqlSchema();

function fieldsOf(query: string, variables: Variables = {}, schema = ships): number {
  const document = parse(query);
  expect(validate(schema, document)).toEqual([]);
  const count = fieldCounter(schema);
  return Math.max(...operationsOf(document).map((operation) => count(document, operation, variables)));
}

describe('the fields of a query', () => {
  it.each([
    ['what is no list', '{ flagship { name flags __typename } }', 1 + 3],
    ['a list of unknown length as ten', '{ ships { name } }', 1 + 10 * 2],
    ['a list by its limit', '{ ships(limit: 3) { name } }', 1 + 3 * 2],
    ['a list by the default of its limit', '{ flagship { crew { name } } }', 1 + 1 + 5 * 2],
    ['no limit as none', '{ ships(limit: null) { crew(limit: null) { name } } }', 1 + 10 * (1 + 1 + 5 * 2)],
    ['a list of nothing as itself', '{ ships(limit: 0) { name } }', 1],
    ['a list of less than nothing as itself', '{ ships(limit: -9) { name } }', 1],
    ['lists in lists', '{ ships(limit: 2) { ports { ships(limit: 4) { crew { name } } } } }', 1 + 2 * (1 + 1 + 10 * (1 + 1 + 4 * (1 + 1 + 5 * 2)))],
    ['aliases', '{ a: ships(limit: 3) { name } b: ships(limit: 4) { x: name y: name } }', 1 + 3 * 2 + 1 + 4 * 3],
    ['fragments wherever they are used', '{ a: ships(limit: 2) { ...f ...f } flagship { ...f } } fragment f on Ship { name ports { name } }', 1 + 2 * 45 + 23],
    ['fragments of fragments', '{ flagship { ...a } } fragment a on Ship { ...b ...b } fragment b on Ship { crew { name } }', 1 + 2 * 11],
    [
      'fragments without a name',
      '{ named { ... on Ship { crew { name } } ... { name } ... on Port { ships(limit: 2) { name } } } }',
      1 + 10 * (1 + 11 + 1 + 5),
    ],
    ['the largest of several operations', 'query A { ships(limit: 3) { name } } query B { ships(limit: 4) { name } }', 1 + 4 * 2],
  ])('are counted: %s', (_what, query, fields) => {
    expect(fieldsOf(query)).toBe(fields);
  });

  it.each<[string, string, Variables, number]>([
    ['the value of a variable', 'query ($n: Int) { ships(limit: $n) { name } }', { n: 700 }, 1 + 700 * 2],
    ['in a fragment, too', 'query ($n: Int) { flagship { ...f } } fragment f on Ship { crew(limit: $n) { name } }', { n: 700 }, 1 + 1 + 700 * 2],
    ['its default without a value', 'query ($n: Int = 30) { ships(limit: $n) { name } }', {}, 1 + 30 * 2],
    ['not its default with one', 'query ($n: Int = 100000) { ships(limit: $n) { name } }', { n: 2 }, 1 + 2 * 2],
    ['no limit for null', 'query ($n: Int = 30) { ships(limit: $n) { name } }', { n: null }, 1 + 10 * 2],
    ['the default of the argument without any', 'query ($n: Int) { flagship { crew(limit: $n) { name } } }', {}, 1 + 1 + 5 * 2],
    ['many as long as nobody knows it', 'subscription ($n: Int) { ships(limit: $n) { name } }', null, 1 + 1000 * 2],
  ])('have as a limit %s', (_what, query, variables, fields) => {
    expect(fieldsOf(query, variables)).toBe(fields);
  });

  it('grow with fragments that double each other, in no time', () => {
    const doubling = Array.from({ length: 40 }, (_, i) => `fragment f${i} on Ship { ...f${i + 1} a${i}: name ...f${i + 1} }`).join(' ');
    expect(fieldsOf(`{ flagship { ...f0 } } ${doubling} fragment f40 on Ship { name }`)).toBeGreaterThan(2 ** 40);
  });
});

describe('introspection', () => {
  const types = (alias: string) => `${alias}: __schema { types { name fields { name args { name } type { name fields { name } } } } }`;

  it('of everything takes half of what an operation may ask for', () => {
    for (const schema of [ships, portolan]) expect(fieldsOf(getIntrospectionQuery(), {}, schema)).toBeCloseTo(MOST_FIELDS / 2, -1);
  });

  it('is bounded however it multiplies: aliases, fragments and types of types', () => {
    const one = fieldsOf(`{ ${types('a')} }`, {}, portolan);
    expect(one).toBeGreaterThan(100);
    const many = `{ ${Array.from({ length: 200 }, (_, i) => types(`a${i}`)).join(' ')} }`;
    expect(fieldsOf(many, {}, portolan)).toBeGreaterThan(MOST_FIELDS);
    const used = '{ __schema { types { ...a ...a } } } fragment a on __Type { x: fields { ...b ...b } } fragment b on __Field { type { fields { name } } }';
    const once = '{ __schema { types { ...a } } } fragment a on __Type { x: fields { ...b } } fragment b on __Field { type { fields { name } } }';
    expect(fieldsOf(used, {}, portolan)).toBeGreaterThan(3 * fieldsOf(once, {}, portolan));
    expect(fieldsOf('{ __type(name: "Node") { fields { name } } }', {}, portolan)).toBeGreaterThan(0);
  });
});

it('refuses an operation by its name, in our words', () => {
  const refuse = complexityLimit(ships);
  const document = parse('query Many($n: Int) { ships(limit: $n) { name } }');
  expect(() => refuse(document, { n: 24_999 })).not.toThrow();
  const thrown = (() => {
    try {
      refuse(document, { n: 25_000 });
    } catch (error) {
      return error;
    }
    return undefined;
  })();
  expect(thrown).toBeInstanceOf(GraphQLError);
  const original = thrown instanceof GraphQLError ? thrown.originalError : undefined;
  expect(original).toBeInstanceOf(PortolanError);
  expect(original).toMatchObject({ code: 'query-too-complex', message: expect.stringContaining('operation Many asks for 50001 fields') });
});
