import { portolanError } from '@portolan/model';
import {
  type ASTVisitor,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  TypeNameMetaFieldDef,
  type ValidationContext,
} from 'graphql';

/** Fields that a query may ask for, lists counted as often as they are taken to be long. */
const MOST_FIELDS = 50_000;
/** Objects that a list is taken to have, unless its argument `limit` says how many. */
const TAKEN_LENGTH = 10;

/** Refuses a document with an operation that asks for too much. What a list really has is not known before, so this bounds how lists multiply. */
export function complexityRule(context: ValidationContext): ASTVisitor {
  const count = fieldCounter(context);
  return {
    OperationDefinition(operation) {
      const type = context.getSchema().getRootType(operation.operation);
      const fields = count(operation.selectionSet, type ?? undefined);
      if (fields <= MOST_FIELDS) return;
      const name = operation.name === undefined ? 'the operation' : `operation ${operation.name.value}`;
      const message = `${name} asks for ${fields} fields, its lists counted as often as they are taken to be long; at most ${MOST_FIELDS} are answered`;
      context.reportError(new GraphQLError(message, { nodes: operation, originalError: portolanError('query-too-complex', '', message) }));
    },
  };
}

function fieldCounter(context: ValidationContext): (selections: SelectionSetNode, type: GraphQLNamedType | undefined) => number {
  const fragments = new Map<string, number>();

  function ofFragment(name: string, fragment: FragmentDefinitionNode | null | undefined): number {
    const known = fragments.get(name);
    if (known !== undefined || fragment === null || fragment === undefined) return known ?? 0;
    // One that contains itself is refused by another rule; here it must only end.
    fragments.set(name, 0);
    const fields = ofSelections(fragment.selectionSet, context.getSchema().getType(fragment.typeCondition.name.value));
    fragments.set(name, fields);
    return fields;
  }

  function ofField(node: FieldNode, type: GraphQLNamedType | undefined): number {
    const field = fieldOf(node, type);
    // Introspection is as large as the schema, whatever it asks for.
    if (node.selectionSet === undefined || field === undefined) return 1;
    const below = getNamedType(field.type);
    const times = isListType(getNullableType(field.type)) && isCompositeType(below) ? lengthOf(node, field) : 1;
    return times * (1 + ofSelections(node.selectionSet, below));
  }

  function ofSelections({ selections }: SelectionSetNode, type: GraphQLNamedType | undefined): number {
    let fields = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) fields += ofField(selection, type);
      else if (selection.kind === Kind.FRAGMENT_SPREAD) fields += ofFragment(selection.name.value, context.getFragment(selection.name.value));
      else {
        const narrowed = selection.typeCondition === undefined ? type : context.getSchema().getType(selection.typeCondition.name.value);
        fields += ofSelections(selection.selectionSet, narrowed);
      }
    }
    return fields;
  }

  return ofSelections;
}

function fieldOf({ name }: FieldNode, type: GraphQLNamedType | undefined): GraphQLField<unknown, unknown> | undefined {
  if (name.value === TypeNameMetaFieldDef.name) return TypeNameMetaFieldDef;
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name.value] : undefined;
}

/** A limit that comes as a variable is not known here, as a document is judged once for all variables. */
function lengthOf(node: FieldNode, { args }: GraphQLField<unknown, unknown>): number {
  const limit = args.find(({ name }) => name === 'limit');
  const given = node.arguments?.find(({ name }) => name.value === 'limit')?.value;
  if (given?.kind === Kind.INT) return Math.max(0, Number(given.value));
  return typeof limit?.defaultValue === 'number' && given === undefined ? limit.defaultValue : TAKEN_LENGTH;
}
