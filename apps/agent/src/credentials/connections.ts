import { isDeepStrictEqual } from 'node:util';
import type { HintSource } from '@portolan/store';
import { openCoordination } from '@portolan/store/etcd';
import { createMemoryCoordination, createMemoryQueue } from '@portolan/store/memory';
import { openHintSource } from '@portolan/store/queue';
import type { Clock } from '../clock.js';
import { type ControlPlane, httpControlPlane } from '../control-plane.js';
import type { Log } from '../log.js';
import { type AccessStatus, notingAccess, watchAccess } from './access.js';
import type { CredentialsFile, HeldCredentials } from './held.js';
import { renewedCredentials } from './join.js';
import { keepRenewed } from './renewal.js';
import { secureLine } from './secure-line.js';
import { switchedHints, switchedTies, type Ties } from './switched.js';

/** Everything of an agent that leads to another host. */
export interface Connections {
  readonly controlPlane: ControlPlane;
  readonly hints: HintSource;
  readonly coordination: Ties;
  access(): AccessStatus;
  /** `hints` is closed by who uses it. */
  close(): Promise<void>;
}

export interface PlainAccess {
  readonly url: string;
  readonly token: string | undefined;
  readonly redisUrl: string | undefined;
  readonly etcdEndpoints: readonly string[];
  readonly cluster: string;
  readonly node: string;
}

/** Of an agent that was told where everything is and has not joined. */
export function plainConnections({ url, token, redisUrl, etcdEndpoints, cluster, node }: PlainAccess, log: Log): Connections {
  const access = watchAccess(log, undefined);
  const coordination = etcdEndpoints.length === 0 ? createMemoryCoordination() : openCoordination({ endpoints: etcdEndpoints, log });
  return {
    controlPlane: notingAccess(httpControlPlane({ url, token, cluster, node }), access),
    hints: redisUrl === undefined ? createMemoryQueue().source(cluster, node) : openHintSource({ redisUrl, cluster, node, log }),
    coordination,
    access: access.status,
    close: () => coordination.close(),
  };
}

export interface JoinedOptions {
  readonly held: HeldCredentials;
  readonly file: Pick<CredentialsFile, 'write'>;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Of a node that has joined: all with its credentials, which are renewed while it runs.
 *
 * ```
 * two thirds of the life, or Redis or etcd does not know us ─► renew ─► file ─► line, queue and ties of etcd go over to the new ones
 * ```
 */
export function joinedConnections({ held: first, file, clock, log }: JoinedOptions): Connections {
  const { cluster, node, server } = first;
  const access = watchAccess(log, first.expiresAt);
  const line = secureLine(first);
  let held = first;
  let askForNew: () => void = () => undefined;
  const onDenied = (): void => askForNew();

  function hintsOf({ redisUrl, authority }: HeldCredentials): HintSource {
    return redisUrl === null ? createMemoryQueue().source(cluster, node) : openHintSource({ redisUrl, authority, cluster, node, log, onDenied });
  }

  function tiesOf({ etcd, authority }: HeldCredentials): Ties {
    if (etcd === null) return createMemoryCoordination();
    return openCoordination({ endpoints: etcd.endpoints, user: etcd.user === '' ? undefined : etcd, authority, log, onDenied });
  }

  const hints = switchedHints(hintsOf(first));
  const coordination = switchedTies(tiesOf(first));
  const renewal = keepRenewed({
    held: first,
    file,
    renew: (old) => renewedCredentials(old, line.exchange),
    onRenewed: (next) => {
      const before = held;
      held = next;
      line.use(next);
      if (next.redisUrl !== before.redisUrl) hints.replaceBy(hintsOf(next));
      if (!isDeepStrictEqual(next.etcd, before.etcd)) coordination.replaceBy(tiesOf(next));
    },
    access,
    clock,
    log,
  });
  askForNew = renewal.ask;
  return {
    controlPlane: notingAccess(httpControlPlane({ url: server, cluster, node, exchange: line.exchange }), access),
    hints,
    coordination,
    access: access.status,
    close: async () => {
      await renewal.stop();
      await coordination.close();
      line.close();
    },
  };
}
