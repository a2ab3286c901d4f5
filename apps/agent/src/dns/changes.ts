import { portolanError } from '@portolan/model';
import { type DnsClientBody, type DnsNameBody, type DnsServerBody, kindOfKey, type ObjectBody, objectKey, type Space } from '@portolan/node-state';

export type DnsBody = DnsServerBody | DnsNameBody | DnsClientBody;

/** An object of the name server as it is to be; without a body it goes. */
export interface DnsChange {
  readonly key: string;
  readonly body?: DnsBody;
}

export function isDnsBody(body: ObjectBody): body is DnsBody {
  return body.kind === 'dns-server' || body.kind === 'dns-name' || body.kind === 'dns-client';
}

/** The space in a key, `KIND/SPACE/REST`. */
export function spaceOfKey(key: string): Space {
  const [, space = ''] = key.split('/', 2);
  return space as Space;
}

/** The endpoint in the key of a `dns-client`. */
export function endpointOfKey(key: string): string {
  return spaceOfKey(key).slice('endpoint:'.length);
}

function changeOf(line: string): DnsChange {
  const [verb, key = ''] = line.split(' ', 2);
  if (verb === 'delete' && kindOfKey(key).startsWith('dns-')) return { key };
  if (verb === 'set') {
    const body = JSON.parse(line.slice(verb.length + key.length + 2)) as ObjectBody;
    if (isDnsBody(body) && objectKey(spaceOfKey(key), body) === key) return { key, body };
  }
  throw new Error('neither "set KEY BODY" nor "delete KEY" of an object of the name server');
}

/** The changes in lines of a batch of tool `dns`. Fails with `apply-failed`, naming the line. */
export function changesIn(text: string): readonly DnsChange[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return changeOf(line);
      } catch (cause) {
        throw portolanError('apply-failed', '', `dns: ${line.slice(0, 200)}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      }
    });
}
