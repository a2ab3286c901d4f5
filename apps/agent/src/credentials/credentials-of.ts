import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { PortolanError, portolanError } from '@portolan/model';
import { httpControlPlane } from '../control-plane.js';
import type { Log } from '../log.js';
import { type CredentialsFile, type HeldCredentials, lifeOf } from './held.js';
import { fingerprintOf, joinCluster, partsOfToken } from './join.js';
import { secureLine } from './secure-line.js';

export interface JoinSettings {
  /** The token, or `-` for standard input. */
  readonly token: string | undefined;
  /** A file with the token, or `-`. */
  readonly file: string | undefined;
  readonly server: string | undefined;
  readonly name: string;
  readonly address: string | undefined;
}

/** The join token that was given in one of the ways; undefined when none was. */
async function givenToken({ token, file }: JoinSettings): Promise<string | undefined> {
  if (token === '-' || (token === undefined && file === '-')) return (await text(process.stdin)).trim();
  if (token !== undefined || file === undefined) return token;
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw portolanError('invalid-document', '/join-file', `the join token cannot be read: ${String(cause)}`, { cause, fix: 'Correct --join-file.' });
  }
}

/** Whether the control plane still takes them. One that gives no answer may. */
async function areRefused(held: HeldCredentials): Promise<boolean> {
  const line = secureLine(held);
  try {
    await httpControlPlane({ url: held.server, cluster: held.cluster, node: held.node, exchange: line.exchange }).fetchState('none');
    return false;
  } catch (error) {
    return error instanceof PortolanError && error.code === 'unauthorized';
  } finally {
    line.close();
  }
}

/**
 * The credentials of this host, after it has joined where it is asked to and has none that count. A token is used only then: so the same command
 * line can stay in a service file. Undefined for a host that has not joined and is not asked to.
 */
export async function credentialsOf(settings: JoinSettings, file: CredentialsFile, log: Log, today: () => number): Promise<HeldCredentials | undefined> {
  const token = await givenToken(settings);
  const read = await file.read();
  // A control plane that has moved; its authority is the same.
  const held = read === undefined || settings.server === undefined || settings.server === read.server ? read : { ...read, server: settings.server };
  if (token === undefined) return held;
  if (held !== undefined) {
    if (partsOfToken(token).fingerprint !== fingerprintOf(new X509Certificate(held.authority))) {
      throw portolanError('join-refused', '', `this host is node ${held.node} of cluster ${held.cluster}, of another control plane than the join token`, {
        fix: `To move it: "portolan-agent purge", remove ${file.path}, and join again. To let it stay: leave out --join.`,
      });
    }
    const isOver = today() >= lifeOf(held).until;
    if (!isOver && !(await areRefused(held))) {
      log.info(
        { cluster: held.cluster, node: held.node, endsAt: held.expiresAt },
        'this host has joined already: its credentials are used, the join token is not',
      );
      return held;
    }
    log.warn({ cluster: held.cluster, node: held.node }, `its credentials ${isOver ? 'have ended' : 'are refused'}: this host joins again`);
  }
  const server = settings.server ?? held?.server;
  if (server === undefined)
    throw portolanError('invalid-document', '/server', 'it is not said which control plane to join', { fix: 'Give --server https://HOST:PORT.' });
  const joined = await joinCluster({ server, token, name: settings.name, address: settings.address });
  await file.write(joined);
  log.info({ cluster: joined.cluster, node: joined.node, endsAt: joined.expiresAt, file: file.path }, 'this host has joined the cluster');
  return joined;
}
