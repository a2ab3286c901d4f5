import { CidrSchema, IPV4_PATTERN, type Problem, problem } from '@portolan/model';
import type { TSchema } from 'typebox';
import type { Validator } from 'typebox/compile';
import type { TLocalizedValidationError } from 'typebox/error';
import { Settings } from 'typebox/system';
import { MAX_PROBLEMS, pointerMembers, pointerTo, valueAt } from './problems.js';
import { nearestName } from './suggest.js';

/** A value with several faults in each branch of a union gives many errors that become one problem. */
const MAX_SCHEMA_ERRORS = 20 * MAX_PROBLEMS;

/** What is wrong with a document by its schema, in the words of the people who wrote it. Pointers begin at the document. */
export function schemaProblems(validator: Validator, document: unknown): readonly Problem[] {
  if (validator.Check(document)) return [];
  const problems = new Map<string, Problem>();
  for (const error of errorsOf(validator, document)) {
    for (const found of problemsOf(validator.Type(), error, document)) {
      const key = `${found.path} ${found.message}`;
      if (!problems.has(key)) problems.set(key, found);
    }
  }
  return [...problems.values()];
}

/** The library stops at 8 errors by a setting of the whole process, which is put back at once. */
function errorsOf(validator: Validator, document: unknown): readonly TLocalizedValidationError[] {
  const { maxErrors } = Settings.Get();
  Settings.Set({ maxErrors: MAX_SCHEMA_ERRORS });
  try {
    return validator.Errors(document);
  } finally {
    Settings.Set({ maxErrors });
  }
}

function problemsOf(root: TSchema, error: TLocalizedValidationError, document: unknown): readonly Problem[] {
  for (const union of unionsOf(error)) {
    const choices = schemaAt(root, union.schemaPath);
    const value = valueAt(document, union.path);
    const branch = branchOf(error.schemaPath, union.schemaPath);
    const given = nullableBranch(choices);
    if (given !== undefined) {
      if (value === null || typeof value !== 'object') return [valueProblem(choices, union.path, value)];
      // It is not null, so what it should be else counts by itself.
      if (branch === given) continue;
      return [];
    }
    const tag = tagOf(choices);
    if (tag === undefined) return [unionProblem(choices, union.path, value)];
    const meant = taggedBranch(choices, tag, value);
    if (meant === undefined) return [tagProblem(choices, tag, union.path, value)];
    // Of the branch that was meant each error counts by itself, of the others none.
    return branch === meant ? plainProblems(root, error, document, choices) : [];
  }
  return plainProblems(root, error, document);
}

/** `others`: the union that the value is in, whose other branches may know a field that this one does not. */
function plainProblems(root: TSchema, error: TLocalizedValidationError, document: unknown, others?: Schema): readonly Problem[] {
  const schema = schemaAt(root, error.schemaPath);
  switch (error.keyword) {
    // The one error for each field that is too many; the summary of them comes last and may be cut off.
    case 'boolean':
      return [unknownField(schemaAt(root, error.schemaPath.slice(0, error.schemaPath.lastIndexOf('/'))), error.instancePath, others)];
    case 'additionalProperties':
      return [];
    case 'required':
      return error.params.requiredProperties.map((name) => problem('invalid-document', error.instancePath, `the field "${name}" is missing`));
    default:
      return [valueProblem(schema, error.instancePath, valueAt(document, error.instancePath))];
  }
}

interface Union {
  readonly schemaPath: string;
  /** Pointer to the value in the document. */
  readonly path: string;
}

/** The unions that the error is inside of or about, the outermost first: what is wrong in each of the branches of one is one problem. */
function unionsOf({ keyword, schemaPath, instancePath }: TLocalizedValidationError): readonly Union[] {
  const unions: Union[] = [];
  for (let end = schemaPath.indexOf('/anyOf/'); end >= 0; end = schemaPath.indexOf('/anyOf/', end + 1)) {
    const members = instancePath.split('/').slice(1, 1 + depthOf(schemaPath.slice(0, end)));
    unions.push({ schemaPath: schemaPath.slice(0, end), path: members.map((member) => `/${member}`).join('') });
  }
  return keyword === 'anyOf' ? [...unions, { schemaPath, path: instancePath }] : unions;
}

/** How many members of the document lead to what a path in the schema describes. */
function depthOf(schemaPath: string): number {
  const steps = schemaPath.split('/').slice(1);
  let depth = 0;
  for (let i = 0; i < steps.length; i++) {
    // The name of a property, and the number of a branch, come behind.
    if (steps[i] === 'anyOf') i++;
    else if (steps[i] === 'properties') {
      i++;
      depth++;
    } else depth++;
  }
  return depth;
}

/** Position of the branch of a union that an error is in; undefined for one about the union itself. */
function branchOf(schemaPath: string, union: string): number | undefined {
  const [first = '', position = ''] = schemaPath.slice(union.length).split('/').slice(1);
  return first === 'anyOf' ? Number(position) : undefined;
}

/** Of a union of null and something else the position of that. */
function nullableBranch({ anyOf = [] }: Schema): number | undefined {
  return anyOf.length === 2 && anyOf.some((branch) => branch.type === 'null') ? anyOf.findIndex((branch) => branch.type !== 'null') : undefined;
}

function unknownField(schema: Schema, path: string, others?: Schema): Problem {
  const name = pointerMembers(path).at(-1) ?? '';
  const known = Object.keys(schema.properties ?? {});
  const tag = others === undefined ? undefined : tagOf(others);
  const owner = others?.anyOf?.find((branch) => Object.hasOwn(branch.properties ?? {}, name));
  if (tag !== undefined && owner !== undefined) {
    const own = JSON.stringify(schema.properties?.[tag]?.const);
    const needed = JSON.stringify(owner.properties?.[tag]?.const);
    return problem('unknown-field', path, `the field "${name}" is not known with ${tag} ${own}`, `Remove it, or write "${tag}": ${needed}.`);
  }
  const meant = nearestName(name, known);
  const advice = meant === undefined ? `Remove it; known fields here: ${known.join(', ')}.` : `Did you mean "${meant}"?`;
  return problem('unknown-field', path, `the field "${name}" is not known`, advice);
}

function valueProblem(schema: Schema, path: string, value: unknown): Problem {
  const shown = shownValue(value);
  if (typeof value === 'string' && schema.pattern === IPV4_PATTERN) return problem('invalid-address', path, `${shown} is not an IPv4 address`);
  if (typeof value === 'string' && schema.description === cidr.description) return problem('invalid-subnet', path, `${shown} is not an IPv4 subnet`);
  return problem('invalid-document', path, `${shown} is not allowed here: expected ${expected(schema)}`);
}

/** The field whose constants tell the branches of a union of objects apart, if there is one. */
function tagOf({ anyOf = [] }: Schema): string | undefined {
  const [first, ...others] = anyOf;
  return Object.keys(first?.properties ?? {}).find((name) => [first, ...others].every((branch) => branch?.properties?.[name]?.const !== undefined));
}

/** Position of the branch whose constant the value has. */
function taggedBranch({ anyOf = [] }: Schema, tag: string, value: unknown): number | undefined {
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, tag)) return undefined;
  const index = anyOf.findIndex((branch) => branch.properties?.[tag]?.const === (value as Readonly<Record<string, unknown>>)[tag]);
  return index < 0 ? undefined : index;
}

function tagProblem({ anyOf = [] }: Schema, tag: string, path: string, value: unknown): Problem {
  const choice = `one of ${anyOf.map((branch) => JSON.stringify(branch.properties?.[tag]?.const)).join(', ')}`;
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return problem('invalid-document', path, `${shownValue(value)} is not allowed here: expected an object with "${tag}", ${choice}`);
  }
  if (!Object.hasOwn(value, tag)) return problem('invalid-document', path, `the field "${tag}" is missing: ${choice}`);
  const given = (value as Readonly<Record<string, unknown>>)[tag];
  return problem('invalid-document', path + pointerTo(tag), `${shownValue(given)} is not allowed here: expected ${choice}`);
}

/** Choices of words are listed. Of objects that exclude each other the one that was meant is judged, if it is clear which. */
function unionProblem(schema: Schema, path: string, value: unknown): Problem {
  const branches = schema.anyOf ?? [];
  const fields = branches.map((branch) => Object.keys(branch.properties ?? {})[0]).filter((field) => field !== undefined);
  if (fields.length !== branches.length) return valueProblem(schema, path, value);
  const choice = `exactly one of ${listed(fields, 'and')}`;
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return problem('invalid-document', path, `${shownValue(value)} is not allowed here: expected an object with ${choice}`);
  }
  const given = Object.keys(value);
  const unknown = given.find((name) => !fields.includes(name));
  if (unknown !== undefined) {
    const meant = nearestName(unknown, fields);
    return problem(
      'unknown-field',
      path + pointerTo(unknown),
      `the field "${unknown}" is not known`,
      meant === undefined ? `Write ${choice}.` : `Did you mean "${meant}"?`,
    );
  }
  const [only, ...others] = given;
  const branch = branches.find((candidate) => only !== undefined && Object.hasOwn(candidate.properties ?? {}, only));
  const inner = only === undefined ? undefined : branch?.properties?.[only];
  if (only === undefined || others.length > 0 || inner === undefined) {
    return problem('invalid-document', path, `${shownValue(value)} is not allowed here: expected ${choice}`);
  }
  return valueProblem(inner, path + pointerTo(only), (value as Readonly<Record<string, unknown>>)[only]);
}

/** The keywords of JSON Schema that the model uses. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly pattern?: string;
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
}

const cidr: Schema = CidrSchema;

function schemaAt(root: TSchema, schemaPath: string): Schema {
  const found = valueAt(root, schemaPath.replace(/^#/, ''));
  return typeof found === 'object' && found !== null ? found : {};
}

function expected(schema: Schema): string {
  const given = nullableBranch(schema);
  if (given !== undefined) return `${expected(schema.anyOf?.[given] ?? {})} or null`;
  if (schema.anyOf !== undefined) return `one of ${schema.anyOf.map((branch) => JSON.stringify(branch.const)).join(', ')}`;
  const about = schema.description === undefined ? '' : ` (${schema.description.replace(/\.$/, '')})`;
  switch (schema.type) {
    case 'integer':
      return `an integer${range(schema.minimum, schema.maximum)}${about}`;
    case 'string':
      return `a string${schema.pattern === undefined ? range(schema.minLength, schema.maxLength, ' characters') : ''}${about}`;
    case 'array':
      return `a list${range(schema.minItems, schema.maxItems, ' items', ' of')}${about}`;
    case 'boolean':
      return `true or false${about}`;
    default:
      return `an object${about}`;
  }
}

function range(low: number | undefined, high: number | undefined, unit = '', preposition = ''): string {
  if (low !== undefined && low === high) return `${preposition} ${low}${unit}`;
  if (low !== undefined && high !== undefined) return `${preposition} from ${low} to ${high}${unit}`.replace(' of from', ' of');
  if (low !== undefined) return `${preposition} at least ${low}${unit}`;
  return high === undefined ? '' : `${preposition} at most ${high}${unit}`;
}

function listed(words: readonly string[], conjunction: string): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} ${conjunction} ${words.at(-1)}`;
}

const SHOWN_CHARACTERS = 60;

/** The value as JSON, cut where it is long. */
export function shownValue(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
}
