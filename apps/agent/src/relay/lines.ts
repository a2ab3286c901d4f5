import { portolanError } from '@portolan/model';
import { kindOfKey, type ObjectBody, objectKey, type UdpRelayBody, type UdpRelayPeerBody } from '@portolan/node-state';

export type RelayBody = UdpRelayBody | UdpRelayPeerBody;

/** The relay is the host's. */
export const SPACE = 'host';

/** An object of the relay as it is to be; without a body it goes. */
export interface RelayChange {
  readonly key: string;
  readonly body?: RelayBody;
}

function isRelayBody(body: ObjectBody): body is RelayBody {
  return body.kind === 'udp-relay' || body.kind === 'udp-relay-peer';
}

function isRelayKey(key: string): boolean {
  return kindOfKey(key) === 'udp-relay';
}

/** Whether a text has a line that gives the relay a device. */
export function makesDevice(text: string): boolean {
  return /^set udp-relay\//m.test(text);
}

/** Whether a text has a line that sets anything. */
export function setsSomething(text: string): boolean {
  return /^set /m.test(text);
}

function changeOf(line: string): RelayChange {
  const [verb, key = ''] = line.split(' ', 2);
  if (verb === 'delete' && (isRelayKey(key) || kindOfKey(key) === 'udp-relay-peer')) return { key };
  if (verb === 'set') {
    const body = JSON.parse(line.slice(verb.length + key.length + 2)) as ObjectBody;
    if (isRelayBody(body) && objectKey(SPACE, body) === key) return { key, body };
  }
  throw new Error('neither "set KEY BODY" nor "delete KEY" of an object of the relay');
}

/** The changes in lines of a batch of tool `relay`. Fails with `apply-failed`, naming the line. */
export function changesIn(text: string): readonly RelayChange[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return changeOf(line);
      } catch (cause) {
        throw portolanError('apply-failed', '', `relay: ${line.slice(0, 200)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      }
    });
}
