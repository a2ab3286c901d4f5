import SchemaBuilder from '@pothos/core';
import { GraphQLScalarType, Kind, type ValueNode } from 'graphql';
import type { Actor } from '../application/actor.js';
import type { Context } from '../application/context.js';
import type { Principal, RefusalReason } from '../application/credentials/principal.js';
import type { Reading } from './reading.js';

export interface GraphqlContext {
  /** Whoever takes it reads something that is noted nowhere (see `Reading`). */
  readonly ctx: Context;
  /** Of a request that is answered once; undefined on a WebSocket. */
  readonly reading?: Reading;
  readonly caller: Actor;
  readonly principal: Principal;
  /** Who the caller is now; nobody when the credentials are no longer good. */
  reauthenticate(): Promise<Principal>;
  /** Notes a refusal. */
  note(reason: RefusalReason): void;
  /** Ends when the caller hangs up. */
  readonly gone: AbortSignal;
}

export interface Types {
  Context: GraphqlContext;
  DefaultFieldNullability: false;
  Scalars: { JSON: { Input: unknown; Output: unknown }; ID: { Input: string; Output: string } };
}

export type Builder = ReturnType<typeof createBuilder>;

export function createBuilder() {
  const builder = new SchemaBuilder<Types>({ defaultFieldNullability: false });
  builder.addScalarType('JSON', jsonScalar);
  return builder;
}

const jsonScalar = new GraphQLScalarType({
  name: 'JSON',
  description: 'Any JSON value.',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => literalValue(node, variables ?? {}),
});

function literalValue(node: ValueNode, variables: Readonly<Record<string, unknown>>): unknown {
  switch (node.kind) {
    case Kind.VARIABLE:
      return variables[node.name.value];
    case Kind.NULL:
      return null;
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value);
    case Kind.LIST:
      return node.values.map((value) => literalValue(value, variables));
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map((field) => [field.name.value, literalValue(field.value, variables)]));
    default:
      return node.value;
  }
}
