import { schemaProblems } from '@portolan/intent';
import { PortolanError, type Problem } from '@portolan/model';
import type { Static, TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

const validators = new WeakMap<TSchema, Validator>();

function validatorOf(schema: TSchema): Validator {
  const known = validators.get(schema);
  if (known !== undefined) return known;
  const validator: Validator = Compile(schema);
  validators.set(schema, validator);
  return validator;
}

/** The value as the schema says. Throws one problem for each fault, its path a JSON pointer. */
export function parsed<S extends TSchema>(schema: S, value: unknown): Static<S> {
  throwAll(schemaProblems(validatorOf(schema), value));
  return value as Static<S>;
}

/** Runs `work` and lets its problems' paths begin elsewhere. */
export function withPaths<T>(pathOf: (path: string) => string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PortolanError) throwAll(error.problems.map((problem) => ({ ...problem, path: pathOf(problem.path) })));
    throw error;
  }
}

function throwAll(problems: readonly Problem[]): void {
  const [first, ...rest] = problems;
  if (first !== undefined) throw new PortolanError([first, ...rest]);
}
