import { PortolanError, type Problem } from '@portolan/model';

/** The problems that `run` is refused with; none when it is not. */
export function problemsOf(run: () => unknown): readonly Problem[] {
  try {
    run();
  } catch (error) {
    if (error instanceof PortolanError) return error.problems;
    throw error;
  }
  return [];
}

/** `CODE PATH` of each problem. */
export function refusalsOf(run: () => unknown): readonly string[] {
  return problemsOf(run).map(({ code, path }) => `${code} ${path}`);
}
