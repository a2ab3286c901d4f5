import { type SetLine, setLines } from '@portolan/render';

/** The relay is the host's. */
export const SPACE = 'host';

const kinds = ['udp-relay', 'udp-relay-peer'] as const;

/** An object of the relay as it is to be; without a body it goes. */
export type RelayChange = SetLine<(typeof kinds)[number]>;

/** Whether a text has a line that gives the relay a device. */
export function makesDevice(text: string): boolean {
  return /^set udp-relay\//m.test(text);
}

/** Whether a text has a line that sets anything. */
export function setsSomething(text: string): boolean {
  return /^set /m.test(text);
}

/** The changes in lines of a batch of tool `relay`. Fails with `apply-failed`, naming the line. */
export function changesIn(text: string): readonly RelayChange[] {
  return setLines(text, kinds, 'relay');
}
