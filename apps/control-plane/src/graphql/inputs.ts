import type { TSchema } from 'typebox';
import type { Builder } from './builder.js';

/** The keywords of JSON schema that the model uses. */
interface Shape {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly const?: unknown;
}

type InputRef = ReturnType<Builder['inputType']>;
type InputType = InputRef | ReturnType<Builder['enumType']> | 'String' | 'Int' | 'Boolean' | 'JSON';

/** GraphQL input types made from the model's schemas, so that the two cannot differ. Values are validated by the application layer. */
export class InputTypes {
  readonly #inputs = new Map<string, InputRef>();
  readonly #enums = new Map<string, ReturnType<Builder['enumType']>>();

  constructor(private readonly builder: Builder) {}

  /** `NAMEInput`, or with every field optional `NAMEPatch`. */
  of(name: string, schema: TSchema, suffix: 'Input' | 'Patch'): InputRef {
    return this.#object(name, schema, suffix);
  }

  /** The enumeration of a field's words, which objects share. */
  enumOf(name: string, words: readonly string[]): ReturnType<Builder['enumType']> {
    const known = this.#enums.get(name);
    if (known !== undefined) return known;
    const created = this.builder.enumType(name, { values: [...words] });
    this.#enums.set(name, created);
    return created;
  }

  #object(name: string, shape: Shape, suffix: 'Input' | 'Patch'): InputRef {
    const typeName = `${name}${suffix}`;
    const known = this.#inputs.get(typeName);
    if (known !== undefined) return known;
    // Alternatives become optional fields of one type; which may be set together is judged with the document.
    const properties = shape.properties ?? Object.assign({}, ...(shape.anyOf ?? []).map((branch) => branch.properties));
    const created = this.builder.inputType(typeName, {
      fields: (t) =>
        Object.fromEntries(
          Object.entries(properties as Readonly<Record<string, Shape>>).map(([field, fieldShape]) => {
            const options = { required: suffix === 'Input' && shape.required?.includes(field) === true, description: fieldShape.description ?? '' };
            if (fieldShape.type === 'array')
              return [field, t.field({ ...options, type: [this.#type(name, singular(field), fieldShape.items ?? {}, 'Input')] })];
            return [field, t.field({ ...options, type: this.#type(name, field, fieldShape, suffix) })];
          }),
        ),
    });
    this.#inputs.set(typeName, created);
    return created;
  }

  #type(parent: string, field: string, shape: Shape, suffix: 'Input' | 'Patch'): InputType {
    if (shape.anyOf?.every((branch) => branch.const !== undefined) === true) {
      return this.enumOf(
        capitalised(field),
        shape.anyOf.map((branch) => String(branch.const)),
      );
    }
    if (shape.properties !== undefined || shape.anyOf !== undefined) return this.#object(`${parent}${capitalised(field)}`, shape, suffix);
    switch (shape.type) {
      case 'string':
        return 'String';
      case 'integer':
        return 'Int';
      case 'boolean':
        return 'Boolean';
      default:
        return 'JSON';
    }
  }
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function singular(word: string): string {
  return word.endsWith('sses') ? word.slice(0, -2) : word.replace(/s$/, '');
}

/** An input as a plain document. In a spec, null says the same as leaving the field out; in a patch it takes the field away. */
export function documentOf(input: unknown, nulls: 'leave-out' | 'keep'): unknown {
  if (Array.isArray(input)) return input.map((item) => documentOf(item, nulls));
  if (typeof input !== 'object' || input === null) return input;
  return Object.fromEntries(
    Object.entries(input)
      .filter(([, value]) => value !== undefined && (nulls === 'keep' || value !== null))
      .map(([field, value]) => [field, documentOf(value, nulls)]),
  );
}
