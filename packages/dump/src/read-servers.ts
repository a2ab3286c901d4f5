import { ipv4Value } from '@portolan/model';
import type { DumpedRealServer, DumpedVirtualServer } from './namespace.js';
import { numberOf, quoted, type Refuse, type SectionLine, wordAfter, wordsOf } from './sections.js';

export interface DumpedServers {
  readonly virtualServers: readonly DumpedVirtualServer[];
  readonly realServers: readonly DumpedRealServer[];
}

/** What ipvsadm takes when it is not told. */
const SCHEDULER = 'wlc';
const PERSISTENCE = 300;

const forwardings = { '-m': 'masquerade', '-g': 'direct', '-i': 'tunnel' } as const;

/** `ipvsadm -Sn`: servers by firewall mark over IPv4. Those by address, which are other programs', are left out. */
export function readServers(lines: readonly SectionLine[], refuse: Refuse): DumpedServers {
  const virtualServers: DumpedVirtualServer[] = [];
  const realServers: DumpedRealServer[] = [];
  for (const { number, text } of lines) {
    const words = wordsOf(text);
    const verb = words[0];
    if (verb !== '-A' && verb !== '-a') {
      refuse(number, `${quoted(text)} is no server as "ipvsadm -S" prints it`);
      continue;
    }
    if (words[1] !== '-f' || words.includes('-6')) continue;
    const mark = numberOf(words[2]);
    if (mark === undefined) refuse(number, `${quoted(text)} names no mark`);
    else if (verb === '-A') virtualServers.push({ mark, scheduler: wordAfter(words, '-s') ?? SCHEDULER, persistence: persistenceOf(words) });
    else {
      const real = realServerOf(mark, words);
      if (real === 'ipv6') continue;
      if (real === undefined) refuse(number, `${quoted(text)} names no address and port in numbers: dump it with "ipvsadm -Sn"`);
      else realServers.push(real);
    }
  }
  return { virtualServers, realServers };
}

function persistenceOf(words: readonly string[]): number {
  return words.includes('-p') ? (numberOf(wordAfter(words, '-p')) ?? PERSISTENCE) : 0;
}

function realServerOf(mark: number, words: readonly string[]): DumpedRealServer | 'ipv6' | undefined {
  const place = wordAfter(words, '-r') ?? '';
  if (place.startsWith('[')) return 'ipv6';
  const [address = '', service = '0'] = place.split(':');
  const port = numberOf(service);
  if (ipv4Value(address) === undefined || port === undefined) return undefined;
  const flag = words.find((word): word is keyof typeof forwardings => Object.hasOwn(forwardings, word));
  return { mark, address, port, forwarding: forwardings[flag ?? '-g'], weight: numberOf(wordAfter(words, '-w')) ?? 1 };
}
