import { describe, expect, it } from 'vitest';
import { audit, type Files, filesOf, placeOf, told } from './audit-collection.js';
import { healthyCaptures, PORT_ADDED } from './captures.js';

type Change = (text: string, file: string) => string;
const ofDumps = (files: Files, change: Change): Files => new Map([...files].map(([file, text]) => [file, file.endsWith('.txt') ? change(text, file) : text]));
const ofHosts = (files: Files, change: (text: string) => string): Files =>
  ofDumps(files, (text, file) => (placeOf(file).namespace === 'host' ? change(text) : text));

/** Everything that makes healthy nodes differ from each other, and what others put beside Docker's. */
const variations: Readonly<Record<string, (files: Files) => Files>> = {
  'other marks': (files) =>
    ofDumps(files, (text) =>
      text
        .replace(/--set-xmark 0x([0-9a-f]+)\//g, (_, mark: string) => `--set-xmark 0x${(Number.parseInt(mark, 16) * 3 + 1).toString(16)}/`)
        .replace(/^(-[Aa] -f )(\d+)/gm, (_, head: string, mark: string) => `${head}${Number(mark) * 3 + 1}`),
    ),
  'other names of veths on the host, other numbers in overlays': (files) =>
    ofDumps(files, (text) =>
      text
        .replace(/\bveth([0-9a-f]{6})([0-9a-f])\b/g, (_, head: string, last: string) => `veth${last}${head}`)
        .replace(/\bveth([0-9])\b/g, (_, number: string) => `veth${Number(number) + 20}`),
    ),
  'other numbers of links in tasks': (files) =>
    ofDumps(files, (text, file) =>
      /^[0-9a-f]{12}$/.test(placeOf(file).namespace) ? text.replace(/\beth([0-9])\b/g, (_, number: string) => `eth${9 - Number(number)}`) : text,
    ),
  'rules of services in another order': (files) => ofDumps(files, reversedServices),
  'other counters and resolver ports': (files) =>
    ofDumps(files, (text) =>
      text
        .replace(/\[\d+:\d+\]/g, '[7:77]')
        .replaceAll(/127\.0\.0\.11:(\d)(\d+)/g, '127.0.0.11:3$2')
        .replace(/--sport (\d)(\d{4})\b/g, '--sport 3$2'),
    ),
  'state as conntrack, without modules': (files) =>
    ofDumps(files, (text) => text.replaceAll('-m state --state RELATED,ESTABLISHED', '-m conntrack --ctstate RELATED,ESTABLISHED')),
  'a container on docker0 that publishes a port': (files) =>
    ofHosts(files, (text) =>
      text
        .replace(
          '-A DOCKER -i docker0 -j RETURN',
          '-A DOCKER -i docker0 -j RETURN\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 172.17.0.77:80',
        )
        .replace('*filter', '*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter')
        .replace(
          '-A DOCKER-INGRESS -j RETURN\n-A DOCKER-ISOLATION',
          '-A DOCKER-INGRESS -j RETURN\n-A DOCKER -d 172.17.0.77/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT\n-A DOCKER-ISOLATION',
        ),
    ),
  'firewalls of others': (files) =>
    ofHosts(files, (text) =>
      text
        .replace(
          '-A FORWARD -j DOCKER-USER',
          foreign
            .map((rule) => `-A FORWARD ${rule}\n`)
            .join('')
            .concat('-A FORWARD -j DOCKER-USER'),
        )
        .replace(
          '-A PREROUTING -m addrtype',
          '-A PREROUTING -d 203.0.113.9/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 192.0.2.7:443\n-A PREROUTING -m addrtype',
        )
        .replace(':FORWARD ACCEPT', ':FORWARD DROP')
        .replace('-A DOCKER-USER -j RETURN', '-A DOCKER-USER -s 198.51.100.0/24 -j DROP\n-A DOCKER-USER -j RETURN')
        .replace(
          ':DOCKER-USER - [0:0]',
          ':DOCKER-USER - [0:0]\n:ufw-before-forward - [0:0]\n:KUBE-FORWARD - [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j DROP\n-A INPUT -j DROP',
        ),
    ),
  'IPVS of others on the host': (files) =>
    ofHosts(files, (text) => text.replace('# ipvs\n', '# ipvs\n-A -t 10.96.0.1:443 -s rr\n-a -t 10.96.0.1:443 -r 192.0.2.4:6443 -m -w 1\n')),
  'learned addresses': (files) =>
    ofDumps(files, (text, file) =>
      /^\d+-/.test(placeOf(file).namespace)
        ? text
            .replace(
              '# fdb\n',
              '# neigh\n'
                .slice(8)
                .concat('# fdb\n02:42:0a:00:09:09 dev vxlan0 master br0 \n02:42:0a:00:09:09 dev vxlan0 dst 192.0.2.200 link-netnsid 0 self \n'),
            )
            .replace('# neigh\n', '# neigh\n10.0.9.9 dev br0 lladdr 02:42:0a:00:09:09 STALE \n10.0.9.8 dev vxlan0  FAILED\n')
        : text,
    ),
  'the host network of a container, and namespaces of others': (files) => {
    const host = files.get('node1.host.txt') ?? '';
    return new Map([...files, ['node1.ns.default.txt', host], ['node1.ns.abcdef012345.txt', host]]);
  },
  'another epoch': (files) => new Map([...files].map(([file, text]) => [file.replace('.ns.1-', '.ns.2-'), text])),
  'another port of VXLAN everywhere': (files) => ofDumps(files, (text) => text.replaceAll('dstport 4789', 'dstport 7789')),
  'no userland proxy': (files) =>
    ofHosts(files, (text) => {
      const local = '-A POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE';
      return text
        .replace('-A OUTPUT ! -d 127.0.0.0/8 -m addrtype', '-A OUTPUT -m addrtype')
        .replace('-A DOCKER -i docker_gwbridge -j RETURN\n', '')
        .replace(local, `${local}\n${local}`);
    }),
};

const foreign = [
  '-m conntrack --ctstate INVALID -j DROP',
  '-s 203.0.113.0/24 -j DROP',
  '-i tun0 -j DROP',
  '-p tcp -m tcp --dport 25 -j DROP',
  '-d 192.0.2.0/24 -j REJECT --reject-with icmp-port-unreachable',
  '-p icmp -j DROP',
  '-i docker0 -o virbr0 -j DROP',
  '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  '-j ufw-before-forward',
];

/** Services arrive in another order on each node: their rules, aliases, virtual servers and peers are in that order. */
function reversedServices(text: string): string {
  const lines = text.split('\n');
  return [/ -j MARK /, /^-a -f /, /^-A DOCKER-INGRESS -p tcp .*-j DNAT/, / PERMANENT/, /^\S+ dev vxlan0 dst /].reduce(reversedLines, [...lines]).join('\n');
}

function reversedLines(lines: readonly string[], which: RegExp): string[] {
  const turned = lines.filter((line) => which.test(line)).reverse();
  return lines.map((line) => (which.test(line) ? (turned.shift() ?? line) : line));
}

describe.each(healthyCaptures)('of the healthy swarm %s', (fixture) => {
  const files = filesOf(fixture);

  it('nothing is found', () => {
    expect(told(audit(files))).toEqual([]);
  });

  it.each(Object.entries(variations))('nothing is found with %s', (name, vary) => {
    const varied = vary(files);
    // Without a published port there are no such rules.
    if (fixture !== 'removed' || name !== 'state as conntrack, without modules') expect(varied).not.toEqual(files);
    expect(told(audit(varied))).toEqual([]);
  });
});

describe('a swarm of which Docker has left a part undone', () => {
  it('has two of three tasks without requests by the published ports of the service, on each node', () => {
    const findings = audit(filesOf(PORT_ADDED));
    expect(told(findings)).toHaveLength(6);
    for (const { severity, namespace, kind, object, consequence } of findings) {
      expect({ severity, namespace, kind }).toEqual({ severity: 'error', namespace: 'ingress_sbox', kind: 'missing' });
      expect(object).toMatch(/^real-server 10\.0\.0\.1[12] of web \(10\.0\.0\.5\)$/);
      expect(consequence).toMatch(
        /^task web\.[23] on node[23] gets no requests to web:8000 and web:8200 through node[123]; one other real server takes them all$/,
      );
    }
  });
});
