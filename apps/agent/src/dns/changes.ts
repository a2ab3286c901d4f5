import type { ObjectBody } from '@portolan/node-state';
import { type SetLine, setLines } from '@portolan/render';

const kinds = ['dns-server', 'dns-name', 'dns-client'] as const;

/** An object of the name server as it is to be; without a body it goes. */
export type DnsChange = SetLine<(typeof kinds)[number]>;
export type DnsBody = NonNullable<DnsChange['body']>;

export function isDnsBody(body: ObjectBody): body is DnsBody {
  return kinds.some((kind) => kind === body.kind);
}

/** The endpoint in the key of a `dns-client`. */
export function endpointOfKey(key: string): string {
  const [, space = ''] = key.split('/', 2);
  return space.slice('endpoint:'.length);
}

/** The changes in lines of a batch of tool `dns`. Fails with `apply-failed`, naming the line. */
export function changesIn(text: string): readonly DnsChange[] {
  return setLines(text, kinds, 'dns');
}
