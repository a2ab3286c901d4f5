import { PortolanError, type Problem, portolanError } from '@portolan/model';

interface ProblemDocument {
  readonly detail?: string;
  readonly problems?: readonly [Problem, ...Problem[]];
}

/** Calls the REST API. Throws what a control plane answers as a PortolanError, `store-unavailable` when nobody answers. */
export async function callApi<T>(url: string, method: 'GET' | 'POST' | 'PUT' | 'DELETE' = 'GET', body?: unknown): Promise<T> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(150_000),
    });
    text = await response.text();
  } catch (cause) {
    throw portolanError('store-unavailable', '', `no answer from ${url}`, {
      cause,
      fix: 'Read the log of the control plane: .portolan/logs/control-plane.log',
    });
  }
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
  let answer: ProblemDocument = {};
  try {
    answer = JSON.parse(text) as ProblemDocument;
  } catch {
    // A proxy's page, or nothing at all: the status must do.
  }
  if (answer.problems !== undefined && answer.problems.length > 0) throw new PortolanError(answer.problems);
  throw portolanError(response.status === 404 ? 'not-found' : 'internal', '', `${method} ${url}: ${response.status} ${answer.detail ?? text.slice(0, 200)}`);
}
