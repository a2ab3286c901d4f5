import { type ErrorCode, errorCatalogue, PortolanError, problem } from '@portolan/model';

function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCatalogue, value);
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'unauthorized';
  if (status === 404) return 'not-found';
  return status < 500 ? 'invalid-document' : 'store-unavailable';
}

/** The error that a control plane answered with, in its own words where it has said any (RFC 9457). */
export async function errorOfAnswer(response: Response, asked: string): Promise<PortolanError> {
  const text = await response.text().catch(() => '');
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {}
  const { code, detail, fix } = (typeof document === 'object' && document !== null ? document : {}) as Readonly<Record<string, unknown>>;
  const said = typeof detail === 'string' ? detail : text.slice(0, 500);
  return new PortolanError(
    problem(
      isErrorCode(code) ? code : codeOfStatus(response.status),
      '',
      `the control plane answered ${response.status} to ${asked}: ${said}`,
      typeof fix === 'string' ? fix : undefined,
    ),
  );
}
