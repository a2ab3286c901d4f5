import type { ObjectBody, ObjectKind, RuleEntryBody, Space } from '@portolan/node-state';

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
};

/** The chain that an entry leads to. */
export function chainOfEntry({ table, stage }: Pick<RuleEntryBody, 'table' | 'stage'>): string {
  if (table === 'filter') return stage === 'forward' ? FORWARD : stage === 'input' ? INPUT : OUTPUT;
  return stage === 'postrouting' ? POSTROUTING : INGRESS;
}

/** Only what is sent to this host itself visits the published ports, so that transit traffic does not pay for them. */
const LOCAL = '-m addrtype --dst-type LOCAL';

/** The rules of an object, in the order in which they must be. */
export function rulesOf(body: ObjectBody): readonly Rule[] {
  switch (body.kind) {
    case 'mark': {
      const target = `MARK --set-xmark 0x${body.mark.toString(16)}/0xffffffff`;
      return body.match.stage === 'input'
        ? [{ table: 'mangle', chain: 'INPUT', match: `-d ${body.match.destination}/32`, target }]
        : [{ table: 'mangle', chain: 'PREROUTING', match: port(body.match.protocol, 'dport', body.match.port), target }];
    }
    case 'source-rewrite':
      return [{ table: 'nat', chain: 'POSTROUTING', match: `-d ${body.destination} -m ipvs --ipvs`, target: `SNAT --to-source ${body.source}` }];
    case 'rule-entry':
      return [{ table: body.table, chain: body.stage.toUpperCase(), match: chainOfEntry(body) === INGRESS ? LOCAL : '', target: chainOfEntry(body) }];
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
        { table: 'filter', chain: FORWARD, match: `-o ${body.link} -m conntrack --ctstate RELATED,ESTABLISHED`, target: 'ACCEPT' },
        { table: 'filter', chain: FORWARD, match: `-i ${body.link} ! -o ${body.link}`, target: 'ACCEPT' },
        { table: 'filter', chain: FORWARD, match: `-o ${body.link}`, target: 'DROP' },
      ];
    case 'port-forward':
      return [
        { table: 'nat', chain: INGRESS, match: port(body.protocol, 'dport', body.port), target: `DNAT --to-destination ${body.to}:${body.port}` },
        { table: 'filter', chain: FORWARD, match: `-d ${body.to}/32 ${port(body.protocol, 'dport', body.port)}`, target: 'ACCEPT' },
        {
          table: 'filter',
          chain: FORWARD,
          match: `-s ${body.to}/32 ${port(body.protocol, 'sport', body.port)} -m conntrack --ctstate RELATED,ESTABLISHED`,
          target: 'ACCEPT',
        },
      ];
    default:
      return [];
  }
}

const closed = ['sctp', 'udp', 'tcp'] as const;

function port(protocol: string, side: 'dport' | 'sport', number: number): string {
  return `-p ${protocol} -m ${protocol} --${side} ${number}`;
}
