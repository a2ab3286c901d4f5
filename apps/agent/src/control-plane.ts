import { PortolanError, portolanError } from '@portolan/model';
import {
  agentHeaders,
  agentPaths,
  type DesiredState,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  type Report,
  type ReportAnswer,
  type TrafficReading,
} from '@portolan/protocol';
import type { Exchange } from './credentials/secure-line.js';

/** Answer to the question for the desired state. */
export type StateAnswer =
  | { readonly kind: 'state'; readonly desired: DesiredState }
  /** The state of the hash that was asked with; the numbers may be newer. */
  | {
      readonly kind: 'same';
      readonly generation: number | undefined;
      readonly revision: number | undefined;
      /** Version of the protocol of the answer, where it says so. */
      readonly protocol?: number;
    };

/** The agents' API. All fail with `store-unavailable` when there is no answer, with `unauthorized`, `not-found`, or `protocol-unsupported`. */
export interface ControlPlane {
  fetchState(knownHash: string | undefined): Promise<StateAnswer>;
  /** Fails with `invalid-document` when the control plane will never take this report. */
  sendReport(report: Report): Promise<ReportAnswer>;
  /** Fails with `not-found` also where the control plane is too old for it, and with `invalid-document` when it will never take this reading. */
  sendTraffic(reading: TrafficReading): Promise<void>;
}

export interface ControlPlaneOptions {
  readonly url: string;
  readonly token?: string | undefined;
  readonly cluster: string;
  readonly node: string;
  /** How long to wait for a whole answer, in milliseconds; 5,000 unless given. */
  readonly timeout?: number;
  /** How requests are made; by fetch unless given. */
  readonly exchange?: Exchange;
}

function numberOf(header: string | null): number | undefined {
  return header === null || !/^\d+$/.test(header) ? undefined : Number(header);
}

/** Talks to a control plane over HTTP. */
export function httpControlPlane({ url, token, cluster, node, timeout = 5_000, exchange = fetch }: ControlPlaneOptions): ControlPlane {
  const base = url.replace(/\/+$/, '');

  async function call(
    path: string,
    init: { readonly method: 'GET' | 'POST'; readonly headers: Record<string, string>; readonly body?: string },
  ): Promise<Response> {
    let response: Response;
    try {
      response = await exchange(`${base}${path}`, {
        ...init,
        headers: {
          accept: 'application/json',
          [agentHeaders.protocol]: String(PROTOCOL_VERSION),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...init.headers,
        },
        signal: AbortSignal.timeout(timeout),
      });
    } catch (cause) {
      if (cause instanceof PortolanError) throw cause;
      const because = cause instanceof Error && cause.cause instanceof Error ? cause.cause.message : String(cause);
      throw portolanError('store-unavailable', '', `the control plane at ${base} gives no answer: ${because}`, { cause });
    }
    if (response.ok || response.status === 304) return response;
    const text = (await response.text().catch(() => '')).slice(0, 500);
    const message = `the control plane answered ${response.status} to ${init.method} ${path}: ${text}`;
    if (response.status === 401 || response.status === 403) throw portolanError('unauthorized', '', message);
    if (response.status === 426) throw portolanError('protocol-unsupported', '', message);
    if (response.status === 404)
      throw portolanError('not-found', '', message, { fix: `Create the node "${node}" in the cluster "${cluster}", or correct PORTOLAN_NODE.` });
    if (response.status === 400 || response.status === 422) throw portolanError('invalid-document', '', message);
    throw portolanError('store-unavailable', '', message);
  }

  async function bodyOf(response: Response): Promise<unknown> {
    try {
      return await response.json();
    } catch (cause) {
      throw portolanError('store-unavailable', '', 'the answer of the control plane broke off', { cause });
    }
  }

  return {
    fetchState: async (knownHash) => {
      const response = await call(agentPaths.state(cluster, node), {
        method: 'GET',
        headers: knownHash === undefined ? {} : { 'if-none-match': `"${knownHash}"` },
      });
      if (response.status === 304) {
        return {
          kind: 'same',
          generation: numberOf(response.headers.get(agentHeaders.generation)),
          revision: numberOf(response.headers.get(agentHeaders.revision)),
          // Control planes say it since protocol 4.
          protocol: numberOf(response.headers.get(agentHeaders.protocol)) ?? OLDEST_PROTOCOL_VERSION,
        };
      }
      return { kind: 'state', desired: (await bodyOf(response)) as DesiredState };
    },
    sendReport: async (report) => {
      const response = await call(agentPaths.reports(cluster, node), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(report),
      });
      return (await bodyOf(response)) as ReportAnswer;
    },
    sendTraffic: async (reading) => {
      const response = await call(agentPaths.traffic(cluster, node), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(reading),
      });
      await response.body?.cancel();
    },
  };
}
