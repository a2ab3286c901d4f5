import { portolanError } from '@portolan/model';
import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getIntrospectionQuery,
  getNamedType,
  getNullableType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  parse,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
} from 'graphql';

/** Fields that an operation may ask for, lists counted as often as they are taken to be long. */
export const MOST_FIELDS = 50_000;
/** Objects that a list is taken to have, unless its argument `limit`, or the default of that, says how many. */
const TAKEN_LENGTH = 10;
/** Taken for a limit that nobody knows yet. */
const UNKNOWN_LIMIT = 1000;

/** null: they are not known. */
export type Variables = Readonly<Record<string, unknown>> | null;

/** Throws `query-too-complex` for a valid document with an operation that asks for too much. */
export type ComplexityLimit = (document: DocumentNode, variables: Variables) => void;

/** Fields that an operation of a valid document asks for. */
export type FieldCount = (document: DocumentNode, operation: OperationDefinitionNode, variables: Variables) => number;

/** Bounds how lists multiply: what a list really has is not known before. */
export function complexityLimit(schema: GraphQLSchema): ComplexityLimit {
  const count = fieldCounter(schema);
  return (document, variables) => {
    for (const operation of operationsOf(document)) {
      const fields = count(document, operation, variables);
      if (fields <= MOST_FIELDS) continue;
      const name = operation.name === undefined ? 'the operation' : `operation ${operation.name.value}`;
      const message = `${name} asks for ${fields} fields, its lists counted as often as they are taken to be long; at most ${MOST_FIELDS} are answered`;
      throw new GraphQLError(message, { nodes: operation, originalError: portolanError('query-too-complex', '', message) });
    }
  };
}

/** Introspection is counted by what the schema has on average, and weighed so that all that tools ask for takes half of what an operation may. */
export function fieldCounter(schema: GraphQLSchema): FieldCount {
  const lengths = introspectedLengths(schema);
  const whole = parse(getIntrospectionQuery());
  const [fields = 1] = operationsOf(whole).map((operation) => fieldsOf(schema, whole, operation, {}, { lengths, weight: 1 }));
  const introspection = { lengths, weight: MOST_FIELDS / 2 / fields };
  return (document, operation, variables) => Math.ceil(fieldsOf(schema, document, operation, variables, introspection));
}

export function operationsOf({ definitions }: DocumentNode): readonly OperationDefinitionNode[] {
  return definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
}

interface Introspection {
  /** By type and field, such as `__Type.fields`. */
  readonly lengths: ReadonlyMap<string, number>;
  /** What one of its fields counts. */
  readonly weight: number;
}

/** Fields of an operation: those of a fragment wherever it is used, those of a list as often as it is long. */
function fieldsOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Variables,
  introspection: Introspection,
): number {
  const fragments = new Map(
    document.definitions.flatMap((of): [string, FragmentDefinitionNode][] => (of.kind === Kind.FRAGMENT_DEFINITION ? [[of.name.value, of]] : [])),
  );
  const counted = new Map<string, number>();

  function ofFragment(name: string): number {
    const fragment = fragments.get(name);
    const fields = counted.get(name) ?? (fragment === undefined ? 0 : ofSelections(fragment.selectionSet, schema.getType(fragment.typeCondition.name.value)));
    counted.set(name, fields);
    return fields;
  }

  function ofField(node: FieldNode, type: GraphQLNamedType | undefined): number {
    const field = fieldOf(node, type);
    if (node.selectionSet === undefined || field === undefined) return 1;
    const below = getNamedType(field.type);
    const isList = isListType(getNullableType(field.type)) && isCompositeType(below);
    const each = 1 + ofSelections(node.selectionSet, below);
    const fields = isList ? 1 + each * (introspection.lengths.get(`${type?.name}.${field.name}`) ?? lengthOf(node, field, operation, variables)) : each;
    return field === SchemaMetaFieldDef || field === TypeMetaFieldDef ? fields * introspection.weight : fields;
  }

  function ofSelections({ selections }: SelectionSetNode, type: GraphQLNamedType | undefined): number {
    let fields = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) fields += ofField(selection, type);
      else if (selection.kind === Kind.FRAGMENT_SPREAD) fields += ofFragment(selection.name.value);
      else {
        const narrowed = selection.typeCondition === undefined ? type : schema.getType(selection.typeCondition.name.value);
        fields += ofSelections(selection.selectionSet, narrowed);
      }
    }
    return fields;
  }

  return ofSelections(operation.selectionSet, schema.getRootType(operation.operation) ?? undefined);
}

function fieldOf({ name: { value: name } }: FieldNode, type: GraphQLNamedType | undefined): GraphQLField<unknown, unknown> | undefined {
  // Only the root of queries has them, which validation has seen to.
  if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
  if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  return isObjectType(type) || isInterfaceType(type) ? type.getFields()[name] : undefined;
}

function lengthOf(node: FieldNode, { args }: GraphQLField<unknown, unknown>, operation: OperationDefinitionNode, variables: Variables): number {
  const limit = args.find(({ name }) => name === 'limit');
  if (limit === undefined) return TAKEN_LENGTH;
  const given = limitGiven(
    node.arguments?.find(({ name }) => name.value === 'limit'),
    operation,
    variables,
  );
  if (given !== undefined) return Math.max(0, given);
  return typeof limit.defaultValue === 'number' ? limit.defaultValue : TAKEN_LENGTH;
}

/** Undefined for none, for null and for what is no number, which is refused elsewhere. */
function limitGiven(argument: ArgumentNode | undefined, { variableDefinitions = [] }: OperationDefinitionNode, variables: Variables): number | undefined {
  const value = argument?.value;
  if (value?.kind === Kind.INT) return Number(value.value);
  if (value?.kind !== Kind.VARIABLE) return undefined;
  const name = value.name.value;
  if (variables === null) return UNKNOWN_LIMIT;
  const told = variables[name];
  if (typeof told === 'number') return told;
  const fallback = variableDefinitions.find(({ variable }) => variable.name.value === name)?.defaultValue;
  return told === undefined && fallback?.kind === Kind.INT ? Number(fallback.value) : undefined;
}

/** How long the lists of introspection are, on average. */
function introspectedLengths(schema: GraphQLSchema): ReadonlyMap<string, number> {
  const types = Object.values(schema.getTypeMap());
  const composite = types.filter((type) => isObjectType(type) || isInterfaceType(type));
  const fields = composite.flatMap((type) => Object.values(type.getFields()));
  const inputs = types.filter(isInputObjectType).flatMap((type) => Object.values(type.getFields()));
  const directives = schema.getDirectives();
  const args = (of: readonly { readonly args: readonly unknown[] }[]): number => of.flatMap((one) => one.args).length / Math.max(of.length, 1);
  return new Map([
    ['__Schema.types', types.length],
    ['__Schema.directives', directives.length],
    ['__Directive.args', args(directives)],
    ['__Field.args', args(fields)],
    ['__Type.fields', fields.length / types.length],
    ['__Type.inputFields', inputs.length / types.length],
    ['__Type.enumValues', types.filter(isEnumType).flatMap((type) => type.getValues()).length / types.length],
    ['__Type.interfaces', composite.flatMap((type) => type.getInterfaces()).length / types.length],
    ['__Type.possibleTypes', types.filter(isAbstractType).flatMap((type) => schema.getPossibleTypes(type)).length / types.length],
  ]);
}
