import { PortolanError } from '@portolan/model';
import type { ControlPlane } from '../control-plane.js';
import type { Log } from '../log.js';

/** Whether the control plane lets this agent in, as far as it has said. */
export interface AccessStatus {
  /** unknown: it has not answered yet. ended: the certificate has, by this host's clock. */
  readonly state: 'unknown' | 'granted' | 'refused' | 'ended';
  /** When the certificate ends; left out for an agent that has none. */
  readonly certificateEndsAt?: string;
  /** What the control plane said, and what to do about it. */
  readonly message?: string;
  readonly fix?: string;
}

export interface Access {
  granted(): void;
  refused(message: string): void;
  ended(): void;
  /** Another certificate from now on. */
  renewed(certificateEndsAt: string): void;
  status(): AccessStatus;
}

const JOIN_AGAIN =
  'Make a join token (portolan token create) and start the agent once with --join; if the node was deleted, that makes it anew. Until then the data path stays as it is.';
const OTHER_TOKEN = 'Give the agent a token that the control plane takes (--token). Until then the data path stays as it is.';

/** Keeps what is known of the access, and logs each change once. `certificateEndsAt` is undefined for an agent without a certificate. */
export function watchAccess(log: Log, certificateEndsAt: string | undefined): Access {
  let status: AccessStatus = { state: 'unknown', ...(certificateEndsAt === undefined ? {} : { certificateEndsAt }) };
  const fix = certificateEndsAt === undefined ? OTHER_TOKEN : JOIN_AGAIN;

  function become(state: AccessStatus['state'], message?: string): boolean {
    const isNew = status.state !== state;
    const { certificateEndsAt: endsAt } = status;
    status = { state, ...(endsAt === undefined ? {} : { certificateEndsAt: endsAt }), ...(message === undefined ? {} : { message, fix }) };
    return isNew;
  }

  return {
    granted: () => {
      const wasBarred = status.state === 'refused' || status.state === 'ended';
      become('granted');
      if (wasBarred) log.info({}, 'the control plane lets this node in again');
    },
    refused: (message) => {
      if (status.state === 'ended') return;
      if (become('refused', message)) log.error({ fix, said: message }, 'the control plane refuses the credentials of this node; the data path stays as it is');
    },
    ended: () => {
      const message = `the certificate of this node ended at ${status.certificateEndsAt ?? 'an unknown time'}`;
      if (become('ended', message)) log.error({ fix }, `${message}; the data path stays as it is`);
    },
    renewed: (endsAt) => {
      status = { state: 'granted', certificateEndsAt: endsAt };
    },
    status: () => status,
  };
}

/** The same control plane; `access` hears whether it lets us in. */
export function notingAccess(controlPlane: ControlPlane, access: Access): ControlPlane {
  async function noted<T>(answer: Promise<T>): Promise<T> {
    try {
      const given = await answer;
      access.granted();
      return given;
    } catch (error) {
      if (error instanceof PortolanError && error.code === 'unauthorized') access.refused(error.message);
      throw error;
    }
  }
  return {
    fetchState: (knownHash) => noted(controlPlane.fetchState(knownHash)),
    sendReport: (report) => noted(controlPlane.sendReport(report)),
    sendTraffic: (reading) => noted(controlPlane.sendTraffic(reading)),
  };
}
