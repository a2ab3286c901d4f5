import type { ObjectBody, ObjectKind, PortForwardBody, RuleEntryBody, Space } from '@portolan/node-state';
import type { Layout } from './batch.js';

export type Table = 'mangle' | 'nat' | 'filter';

/** A rule without its comment, which goes between match and target, as iptables-save prints it. */
interface Rule {
  readonly table: Table;
  readonly chain: string;
  readonly match: string;
  readonly target: string;
}

const INGRESS = 'PORTOLAN-INGRESS';
const POSTROUTING = 'PORTOLAN-POSTROUTING';
const FORWARD = 'PORTOLAN-FORWARD';
const INPUT = 'PORTOLAN-INPUT';
const OUTPUT = 'PORTOLAN-OUTPUT';

/** In a namespace of our own the built-in chains are ours, as they are Swarm's; elsewhere we keep to chains of our own. */
export function isOwnSpace(space: Space): boolean {
  return space.startsWith('own:');
}

/** Chains of our own that the rules of a kind are in, by table. */
export const chainsOfKind: Partial<Record<ObjectKind, readonly (readonly [Table, string])[]>> = {
  'port-redirect': [['nat', INGRESS]],
  'endpoint-filter': [
    ['filter', INPUT],
    ['filter', OUTPUT],
  ],
  'gateway-policy': [
    ['nat', POSTROUTING],
    ['filter', FORWARD],
  ],
  'port-forward': [
    ['nat', INGRESS],
    ['filter', FORWARD],
  ],
  'pod-forward': [['filter', FORWARD]],
  'pod-masquerade': [['nat', POSTROUTING]],
  'dns-redirect': [
    ['nat', OUTPUT],
    ['nat', POSTROUTING],
  ],
};

/**
 * The chain that an entry leads to. What a host sends to itself visits its published ports, as what comes in does; what an
 * endpoint sends to itself visits its name server only.
 */
export function chainOfEntry(space: Space, { table, stage }: Pick<RuleEntryBody, 'table' | 'stage'>): string {
  if (table === 'filter') return stage === 'forward' ? FORWARD : stage === 'input' ? INPUT : OUTPUT;
  if (stage === 'postrouting') return POSTROUTING;
  return stage === 'output' && space !== 'host' ? OUTPUT : INGRESS;
}

/** Only what is sent to this host itself visits the published ports, so that transit traffic does not pay for them. */
const LOCAL = '-m addrtype --dst-type LOCAL';
/** Of a connection whose destination was translated, such as one to a published port. */
const TRANSLATED = '-m conntrack --ctstate DNAT';

/** Where the name servers of containers are, as under Docker. */
const NAME_SERVER = '127.0.0.11';

/** Set by kube-proxy on what it masquerades itself. */
const KUBE_PROXY_MARK = '0x4000/0x4000';

/** The rules of an object, in the order in which they must be. */
export function rulesOf(space: Space, body: ObjectBody, { randomFully = true }: Pick<Layout, 'randomFully'>): readonly Rule[] {
  switch (body.kind) {
    case 'mark': {
      const target = `MARK --set-xmark 0x${body.mark.toString(16)}/0xffffffff`;
      return body.match.stage === 'input'
        ? [{ table: 'mangle', chain: 'INPUT', match: `-d ${body.match.destination}/32`, target }]
        : [{ table: 'mangle', chain: 'PREROUTING', match: port(body.match.protocol, 'dport', body.match.port), target }];
    }
    case 'source-kept':
      return [{ table: 'nat', chain: 'POSTROUTING', match: `-m mark --mark 0x${body.mark.toString(16)}`, target: 'ACCEPT' }];
    case 'source-rewrite':
      return [{ table: 'nat', chain: 'POSTROUTING', match: `-d ${body.destination} -m ipvs --ipvs`, target: `SNAT --to-source ${body.source}` }];
    case 'rule-entry': {
      const local = body.table === 'nat' && body.stage !== 'postrouting';
      return [{ table: body.table, chain: body.stage.toUpperCase(), match: local ? LOCAL : '', target: chainOfEntry(space, body) }];
    }
    case 'port-redirect':
      return [
        {
          table: 'nat',
          chain: INGRESS,
          match: `-d ${body.destination}/32 ${port(body.protocol, 'dport', body.port)}`,
          target: `REDIRECT --to-ports ${body.toPort}`,
        },
      ];
    case 'endpoint-filter':
      return [
        ...body.open.map(({ protocol, port: number }) => ({
          table: 'filter' as const,
          chain: INPUT,
          match: `-d ${body.address}/32 ${port(protocol, 'dport', number)} -m conntrack --ctstate NEW,ESTABLISHED`,
          target: 'ACCEPT',
        })),
        ...closed.map((protocol) => ({ table: 'filter' as const, chain: INPUT, match: `-d ${body.address}/32 -p ${protocol}`, target: 'DROP' })),
        ...body.open.map(({ protocol, port: number }) => ({
          table: 'filter' as const,
          chain: OUTPUT,
          match: `-s ${body.address}/32 ${port(protocol, 'sport', number)} -m conntrack --ctstate ESTABLISHED`,
          target: 'ACCEPT',
        })),
        ...closed.map((protocol) => ({ table: 'filter' as const, chain: OUTPUT, match: `-s ${body.address}/32 -p ${protocol}`, target: 'DROP' })),
      ];
    case 'gateway-policy':
      return [
        { table: 'nat', chain: POSTROUTING, match: `-o ${body.link} -m addrtype --src-type LOCAL`, target: 'MASQUERADE' },
        { table: 'nat', chain: POSTROUTING, match: `-s ${body.subnet} ! -o ${body.link}`, target: 'MASQUERADE' },
        // From one port of the bridge to another by a published port: the answer must come back by the host, or nobody would translate it.
        { table: 'nat', chain: POSTROUTING, match: `-s ${body.subnet} -o ${body.link} ${TRANSLATED}`, target: 'MASQUERADE' },
        { table: 'filter', chain: FORWARD, match: `-o ${body.link} -m conntrack --ctstate RELATED,ESTABLISHED`, target: 'ACCEPT' },
        { table: 'filter', chain: FORWARD, match: `-i ${body.link} ! -o ${body.link}`, target: 'ACCEPT' },
        { table: 'filter', chain: FORWARD, match: `-o ${body.link}`, target: 'DROP' },
      ];
    case 'port-forward':
      return [
        ...entrancesOf(body).map((entrance) => ({
          table: 'nat' as const,
          chain: INGRESS,
          match: `${entrance}${port(body.protocol, 'dport', body.port)}`,
          target: `DNAT --to-destination ${body.to}:${body.toPort}`,
        })),
        // Only what was translated: a published port is no way in for packets that somebody routes to its endpoint.
        { table: 'filter', chain: FORWARD, match: `-d ${body.to}/32 ${port(body.protocol, 'dport', body.toPort)} ${TRANSLATED}`, target: 'ACCEPT' },
        {
          table: 'filter',
          chain: FORWARD,
          match: `-s ${body.to}/32 ${port(body.protocol, 'sport', body.toPort)} -m conntrack --ctstate RELATED,ESTABLISHED`,
          target: 'ACCEPT',
        },
      ];
    case 'pod-forward':
      return ['-s', '-d'].map((side) => ({ table: 'filter', chain: FORWARD, match: `${side} ${body.network}`, target: 'ACCEPT' }));
    case 'pod-masquerade': {
      const { network, subnet } = body;
      const masquerade = randomFully ? 'MASQUERADE --random-fully' : 'MASQUERADE';
      return [
        [`-m mark --mark ${KUBE_PROXY_MARK}`, 'RETURN'],
        [`-s ${subnet} -d ${network}`, 'RETURN'],
        [`-s ${network} -d ${subnet}`, 'RETURN'],
        [`! -s ${network} -d ${subnet}`, 'RETURN'],
        [`-s ${network} ! -d 224.0.0.0/4`, masquerade],
        [`! -s ${network} -d ${network}`, masquerade],
      ].map(([match = '', target = '']) => ({ table: 'nat', chain: POSTROUTING, match, target }));
    }
    case 'dns-redirect':
      return (['udp', 'tcp'] as const).flatMap((protocol) => [
        {
          table: 'nat' as const,
          chain: OUTPUT,
          match: `-d ${NAME_SERVER}/32 ${port(protocol, 'dport', 53)}`,
          target: `DNAT --to-destination ${NAME_SERVER}:${body.port}`,
        },
        { table: 'nat' as const, chain: POSTROUTING, match: `-s ${NAME_SERVER}/32 ${port(protocol, 'sport', body.port)}`, target: 'SNAT --to-source :53' },
      ]);
    default:
      return [];
  }
}

/** What a published port matches before its number: an address and an interface each, where it is not published on all. */
function entrancesOf({ addresses = [], interfaces = [] }: PortForwardBody): string[] {
  const to = addresses.length === 0 ? [''] : addresses.map((address) => `-d ${address.includes('/') ? address : `${address}/32`} `);
  const by = interfaces.length === 0 ? [''] : interfaces.map((name) => `-i ${name} `);
  return to.flatMap((destination) => by.map((link) => `${destination}${link}`));
}

const closed = ['sctp', 'udp', 'tcp'] as const;

function port(protocol: string, side: 'dport' | 'sport', number: number): string {
  return `-p ${protocol} -m ${protocol} --${side} ${number}`;
}
