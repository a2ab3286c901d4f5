import type { PacketHeaders } from '../explanation.js';
import { refOfObstruction } from '../world.js';
import { holds } from './range.js';
import type { SpaceView } from './space.js';
import type { Trace } from './trace.js';

export type Stage = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** Devices that a packet comes in and leaves by, where it has them at that stage. */
export interface Devices {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** Ends the walk where a rule that is not ours swallows what comes there, and may match the packet. Later packets of a connection do not visit nat. */
export function pastForeignRules(trace: Trace, view: SpaceView, stage: Stage, devices: Devices): void {
  if (view.kernel.obstructions.length === 0) return;
  const found = view.kernel.obstructions.find(({ space, chain, text }) => {
    const [table = '', name = ''] = chain.split('/');
    if (space !== view.space || name.toLowerCase() !== stage || (table === 'nat' && trace.isReply)) return false;
    return mayMatch(text, trace.packet, devices);
  });
  if (found === undefined) return;
  throw trace.ended(
    view,
    {
      outcome: 'dropped',
      reason: `a rule that is not ours takes it in ${found.chain}: ${found.text}`,
      fix: 'Remove that rule, or let it pass what is ours.',
      object: refOfObstruction(view.kernel.node, found),
    },
    { effect: 'drop' },
  );
}

type Test = (value: string, packet: PacketHeaders, devices: Devices) => boolean;

const tests: Readonly<Record<string, Test>> = {
  '-s': (value, { outer, source }) => holds(value, outer?.source ?? source),
  '-d': (value, { outer, destination }) => holds(value, outer?.destination ?? destination),
  '-p': (value, { outer, transport }) => value === (outer === null ? transport : 'udp') || value === 'all',
  '-i': (value, _packet, { from }) => isNamed(value, from),
  '-o': (value, _packet, { to }) => isNamed(value, to),
  '--dport': (value, { outer, destinationPort }) => isWithin(value, outer?.port ?? destinationPort),
  '--sport': (value, { outer, sourcePort }) => (outer === null ? isWithin(value, sourcePort) : true),
  // What is walked is neither damaged nor out of place.
  '--ctstate': (value) => value !== 'INVALID',
  '--state': (value) => value !== 'INVALID',
};

/** False only where one of the matches that are read here certainly does not match; the others are taken to match. */
function mayMatch(rule: string, packet: PacketHeaders, devices: Devices): boolean {
  const words = rule.replace(/"(?:[^"\\]|\\.)*"/g, '""').split(' ');
  return words.every((word, i) => {
    const test = tests[word];
    if (test === undefined) return true;
    return test(words[i + 1] ?? '', packet, devices) !== (words[i - 1] === '!');
  });
}

/** `eth+` is each interface that begins so. */
function isNamed(pattern: string, name: string | undefined): boolean {
  if (name === undefined) return false;
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** `80` or `8000:8080` */
function isWithin(range: string, port: number | null): boolean {
  const [first = '', last = first] = range.split(':');
  return port !== null && Number(first) <= port && port <= Number(last);
}
