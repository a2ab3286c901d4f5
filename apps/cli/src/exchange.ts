import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';

export interface Exchange {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
  /** PEM. The only authorities that count; undefined: those that Node knows. */
  readonly authorities: string | undefined;
  readonly signal: AbortSignal;
}

export interface Exchanged {
  readonly status: number;
  readonly statusText: string;
  readonly header: (name: string) => string | undefined;
  readonly text: string;
}

/** One request over HTTP or HTTPS. Node's fetch gives up after 300 s and knows no authorities of one request, so it is not used. */
export async function exchange(url: URL, { method, headers, body, authorities, signal }: Exchange): Promise<Exchanged> {
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const options = { method, headers: { ...headers, ...length }, signal };
  const sent = url.protocol === 'https:' ? requestHttps(url, authorities === undefined ? options : { ...options, ca: authorities }) : requestHttp(url, options);
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return {
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? '',
    header: (name) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    text: await text(response),
  };
}

/** What OpenSSL and Node call a certificate that they do not trust. */
const distrust = /^(SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|UNABLE_TO_|CERT_|ERR_TLS_CERT)/;

/** Whether the server is there, but its certificate is not trusted. */
export function isDistrust(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && distrust.test(error.code);
}

/** What the error says, where Node hides it in a cause or in a list. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'AbortError') return 'no answer in time';
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0].message;
  return error.message === '' ? error.name : error.message;
}
