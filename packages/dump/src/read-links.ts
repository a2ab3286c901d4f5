import { ipv4Value } from '@portolan/model';
import type { DumpedAddress, DumpedLink, DumpedVxlan } from './namespace.js';
import { macOf, numberOf, quoted, type Refuse, type SectionLine, wordAfter, wordsOf } from './sections.js';

const HEAD = /^[0-9]+: ([^\s]+): <([^>]*)> (.*)$/;
/** Lines below a link that are no kind of it: which come first depends on the version of iproute2. */
const notKinds: ReadonlySet<string> = new Set(['inet', 'inet6', 'valid_lft', 'alias', 'altname', 'vf', 'RX:', 'TX:', 'link-netnsid']);

interface OpenLink {
  readonly line: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  readonly master: string | null;
  readonly addresses: DumpedAddress[];
  /** As `link/…` says it; undefined before that line. */
  medium: string | undefined;
  mac: string | null;
  kind: string | undefined;
  vxlan: DumpedVxlan | null;
}

/** `ip -d addr`. What a version adds below a link is passed over. */
export function readLinks(lines: readonly SectionLine[], refuse: Refuse): DumpedLink[] {
  const links: OpenLink[] = [];
  let link: OpenLink | undefined;
  for (const { number, text } of lines) {
    if (text.startsWith(' ') || text.startsWith('\t')) {
      if (link === undefined) refuse(number, `${quoted(text)} belongs to no link`);
      else readDetail(link, text.trim(), (why) => refuse(number, why));
      continue;
    }
    link = openLink(number, text);
    if (link === undefined) refuse(number, `${quoted(text)} is no link as "ip -d addr" prints it`);
    else links.push(link);
  }
  for (const { line, name, medium } of links) if (medium === undefined) refuse(line, `the link ${name} has no line "link/…"`);
  return links.map(({ line: _line, medium, kind, name, up, mtu, mac, master, vxlan, addresses }) => ({
    name,
    kind: kind ?? (medium === 'loopback' ? 'loopback' : 'device'),
    up,
    mtu,
    mac,
    master,
    vxlan,
    addresses,
  }));
}

function openLink(line: number, text: string): OpenLink | undefined {
  const [, full = '', flags = '', rest = ''] = HEAD.exec(text) ?? [];
  const words = wordsOf(rest);
  const mtu = numberOf(wordAfter(words, 'mtu'));
  if (mtu === undefined) return undefined;
  const at = full.lastIndexOf('@');
  return {
    line,
    name: at > 0 ? full.slice(0, at) : full,
    up: flags.split(',').includes('UP'),
    mtu,
    master: wordAfter(words, 'master') ?? null,
    addresses: [],
    medium: undefined,
    mac: null,
    kind: undefined,
    vxlan: null,
  };
}

function readDetail(link: OpenLink, text: string, refuse: (why: string) => void): void {
  // Lines of a bridge are long, and nothing but their first word is wanted.
  const end = text.indexOf(' ');
  const first = end === -1 ? text : text.slice(0, end);
  if (first.startsWith('link/')) {
    link.medium = first.slice('link/'.length);
    link.mac = macOf(text.slice(end + 1, end + 18));
  } else if (first === 'inet') {
    const address = addressOf(wordsOf(text));
    if (address === undefined) refuse(`${quoted(text)} is no address`);
    else link.addresses.push(address);
  } else if (link.kind === undefined && !notKinds.has(first) && !first.endsWith('_slave') && /^[a-z][a-z0-9_-]*$/.test(first)) {
    link.kind = first;
    if (first !== 'vxlan') return;
    const vxlan = vxlanOf(wordsOf(text));
    if (vxlan === undefined) refuse(`${quoted(text)} names no VNI or no port`);
    else link.vxlan = vxlan;
  }
}

/** `inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0`; with `peer` the length is that of the peer. */
function addressOf(words: readonly string[]): DumpedAddress | undefined {
  const [address = '', own] = (words[1] ?? '').split('/');
  const prefixLength = numberOf(own ?? wordAfter(words, 'peer')?.split('/')[1]);
  const scope = wordAfter(words, 'scope');
  if (ipv4Value(address) === undefined || prefixLength === undefined || prefixLength > 32 || scope === undefined) return undefined;
  return { address, prefixLength, scope };
}

/** Versions differ in what they leave out: without a word about it a VTEP learns, and does nothing else. */
function vxlanOf(words: readonly string[]): DumpedVxlan | undefined {
  // A device that other programs steer has no VNI of its own.
  const vni = words.includes('external') ? 0 : numberOf(wordAfter(words, 'id'));
  const port = numberOf(wordAfter(words, 'dstport'));
  if (vni === undefined || port === undefined) return undefined;
  return {
    vni,
    port,
    proxy: words.includes('proxy'),
    learning: !words.includes('nolearning'),
    l2miss: words.includes('l2miss'),
    l3miss: words.includes('l3miss'),
  };
}
