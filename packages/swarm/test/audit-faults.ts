import { type Files, placeOf } from './audit-collection.js';

/** A fault put into the text of a collection, line by line, without our reading of it. */
export interface Fault {
  readonly name: string;
  readonly file: string;
  /** Of the object, as a path: a fault of `link/eth0` hides one of `link/eth0/address`. */
  readonly scope: string;
  readonly kind: 'missing' | 'unexpected' | 'different';
  /** What the finding's object has to match. */
  readonly object: RegExp;
  readonly apply: (files: Files) => Files;
}

type Change = (lines: readonly string[]) => readonly string[];
interface Draft {
  readonly name: string;
  readonly scope: string;
  readonly kind: Fault['kind'];
  readonly object: RegExp;
  readonly change: Change;
}

const without =
  (...gone: readonly string[]): Change =>
  (lines) => {
    const left = [...gone];
    return lines.filter((line) => {
      const at = left.indexOf(line);
      if (at !== -1) left.splice(at, 1);
      return at === -1;
    });
  };
/** Lines that follow each other, though others are equal to some of them. */
const withoutBlock =
  (block: readonly string[], rest: readonly string[]): Change =>
  (lines) => {
    const at = lines.indexOf(block[0] ?? '');
    return without(...rest)(at === -1 ? lines : lines.toSpliced(at, block.length));
  };
/** The line becomes others. */
const replaced =
  (line: string, ...by: readonly string[]): Change =>
  (lines) => {
    const at = lines.indexOf(line);
    return at === -1 ? lines : lines.toSpliced(at, 1, ...by);
  };
const swapped = (line: string, from: string | RegExp, to: string): Change => replaced(line, line.replace(from, to));
const doubled = (line: string): Change => replaced(line, line, line);
const after = (line: string, ...more: readonly string[]): Change => replaced(line, line, ...more);
const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const naming = (text: string): RegExp => new RegExp(quoted(text));

/** All single faults of the kinds that an audit has to find, at each place of a collection where they can stand. */
export function faultsIn(files: Files): readonly Fault[] {
  return [...files].flatMap(([file, text]) => {
    // What nsenter says of a file without a namespace is no dump.
    if (!file.endsWith('.txt') || !text.startsWith('# addr')) return [];
    const lines = text.split('\n');
    const { namespace } = placeOf(file);
    // docker0 is Docker's and not Swarm's, and so are the namespaces of tasks that are on nothing else.
    if (/^[0-9a-f]{12}$/.test(namespace) && / inet 172\.17\./.test(text)) return [];
    const drafts = [
      ...faultsOfLinks(lines, namespace),
      ...faultsOfRules(lines, namespace),
      ...faultsOfServers(lines),
      ...faultsOfPeers(lines),
      ...faultsOfSettings(lines, namespace),
    ];
    const ofLines = drafts.map(
      ({ change, ...draft }): Fault => ({
        ...draft,
        file,
        apply: (from) => new Map(from).set(file, change((from.get(file) ?? '').split('\n')).join('\n')),
      }),
    );
    return [...ofLines, ...faultsOfFile(file, namespace, text)];
  });
}

function faultsOfFile(file: string, namespace: string, text: string): readonly Fault[] {
  if (namespace === 'host') return [];
  const faults: Fault[] = [];
  const gone = (files: Files): Files => new Map([...files].filter(([name]) => name !== file));
  faults.push({ name: 'namespace missing', file, scope: '', kind: 'missing', object: /^namespace$/, apply: gone });
  const other = namespace.startsWith('lb_') ? 'lb_zzzzzzzzz' : /^\d+-/.test(namespace) ? '1-zzzzzzzzzz' : undefined;
  if (other !== undefined) {
    const left = file.replace(namespace, other);
    faults.push({
      name: 'namespace left over',
      file: left,
      scope: '',
      kind: 'unexpected',
      object: /^namespace$/,
      apply: (files) => new Map(files).set(left, text),
    });
  }
  return faults;
}

interface Stanza {
  readonly name: string;
  readonly head: string;
  readonly lines: readonly string[];
}

function stanzasOf(lines: readonly string[]): readonly Stanza[] {
  const end = lines.indexOf('# route');
  const heads = lines.slice(0, end).flatMap((line, at) => (/^\d+: /.test(line) ? [at] : []));
  return heads.map((at, i) => {
    const own = lines.slice(at, heads[i + 1] ?? end);
    return { name: /^\d+: ([^:@]+)/.exec(own[0] ?? '')?.[1] ?? '', head: own[0] ?? '', lines: own };
  });
}

/** What else of a dump is of a link and goes with it. */
function restOf(name: string, lines: readonly string[]): readonly string[] {
  return lines.filter((line) => line.includes(` dev ${name} `) || line.startsWith(`net.ipv4.conf.${name}.`) || line.endsWith(` dev ${name}`));
}

const FIRST_ARRIVED = /^veth[0-9]$/;

const isTask = (namespace: string): boolean => /^[0-9a-f]{12}$/.test(namespace);

function faultsOfLinks(lines: readonly string[], namespace: string): readonly Draft[] {
  const drafts: Draft[] = [];
  const add = (name: string, scope: string, kind: Draft['kind'], object: RegExp, change: Change): void =>
    void drafts.push({ name, scope, kind, object, change });
  const isHost = namespace === 'host';
  for (const { name, head, lines: own } of stanzasOf(lines)) {
    const master = / master (\S+)/.exec(head)?.[1];
    const isOurs = isHost ? name === 'docker_gwbridge' || master === 'docker_gwbridge' : name !== 'lo';
    if (!isOurs) continue;
    const scope = `link/${name}`;
    // Which of several equal ports is missing is not told by a name.
    const called = FIRST_ARRIVED.test(name) || master === 'docker_gwbridge' ? /^port of / : isTask(namespace) ? /^link to / : naming(`link ${name}`);
    add('link down', `${scope}/up`, 'different', naming(`link ${name}`), swapped(head, /,UP\b/, ''));
    add('link mtu', `${scope}/mtu`, 'different', naming(`link ${name}`), swapped(head, / mtu \d+/, ' mtu 1380'));
    if (name !== 'br0' && name !== 'docker_gwbridge') add('link gone', scope, 'missing', called, withoutBlock(own, restOf(name, lines)));
    if (master !== undefined)
      add('port off its bridge', `${scope}/master`, 'missing', naming(`port ${name} of ${master}`), swapped(head, ` master ${master}`, ''));
    const vxlan = own.find((line) => line.includes('vxlan id '));
    if (vxlan !== undefined) {
      // One line: two of these at once are a test of that line only.
      add('vni', `${scope}/vxlan`, 'different', /link vxlan/, swapped(vxlan, /vxlan id \d+/, 'vxlan id 9999'));
      add('vxlan port', `${scope}/vxlan`, 'different', /link vxlan/, swapped(vxlan, /dstport \d+/, 'dstport 4790'));
      add('proxy', `${scope}/vxlan`, 'different', /link vxlan/, swapped(vxlan, ' proxy ', ' '));
    }
    for (const line of own.filter((text) => /^ {4}inet \d/.test(text))) {
      const [, address = '', length = ''] = /inet ([0-9.]+)\/(\d+)/.exec(line) ?? [];
      add(
        'address missing',
        `${scope}/address/${address}`,
        'missing',
        naming(address),
        without(line, ...lines.filter((route) => route.startsWith(`local ${address} `))),
      );
      if (isHost || length === '32') continue;
      const stray = address.replace(/\d+$/, '251');
      add(
        'address unexpected',
        `${scope}/address/${stray}`,
        'unexpected',
        naming(stray),
        after(line, line.replace(`inet ${address}/${length}`, `inet ${stray}/32`)),
      );
    }
  }
  const route = lines.find((line) => line.startsWith('default via '));
  if (route !== undefined && !isHost) {
    const link = / dev (\S+)/.exec(route)?.[1] ?? '';
    add('default route', `link/${link}/route`, 'missing', /^route default$/, without(route));
    add('default route elsewhere', `link/${link}/route`, 'different', /^route default$/, swapped(route, /via [0-9.]+/, 'via 172.18.99.99'));
  }
  return drafts;
}

function faultsOfRules(lines: readonly string[], namespace: string): readonly Draft[] {
  const drafts: Draft[] = [];
  let table = '';
  for (const line of lines) {
    if (line.startsWith('*')) table = line.slice(1);
    if (!line.startsWith('-A ') || line.startsWith('-A -f') || !isSwarms(line, table)) continue;
    const scope = `rule/${table}/${line}`;
    const mark = / -j MARK /.test(line);
    const object = mark ? /^mark-rule/ : naming(`rule ${table}`);
    const add = (name: string, kind: Draft['kind'], change: Change, on: RegExp = object): void =>
      void drafts.push({ name: `${name}: ${line}`, scope, kind, object: on, change: inTable(table, change) });
    // Docker itself leaves these twice on a busy node (`repeatable`).
    const isRepeatable = line === '-A FORWARD -j DOCKER-USER' || line === '-A FORWARD -j DOCKER-INGRESS';
    if (!isRepeatable || lines.filter((other) => other === line).length === 1) add('rule missing', 'missing', without(line));
    if (!line.endsWith('-j RETURN') && !isRepeatable) add('rule doubled', 'unexpected', doubled(line));
    // As `iptables -A` does it, be it below the end of the chain.
    const end = lines
      .slice(0, lines.indexOf('COMMIT', lines.indexOf(`*${table}`)))
      .findLast((other) => other.startsWith(`${line.split(' ').slice(0, 2).join(' ')} `));
    if (/ -j (ACCEPT|DNAT|REDIRECT|MARK|SNAT)/.test(line) && end !== undefined && end !== line) add('rule doubled at the end', 'unexpected', after(end, line));
    if (mark) add('another mark', 'different', swapped(line, /0x[0-9a-f]+\//, '0x3e7/'));
    if (line.includes('--to-source 10')) add('another source', 'different', swapped(line, /--to-source .*/, '--to-source 10.123.0.9'));
    if (line.includes('REDIRECT')) add('another port', 'different', swapped(line, /--to-ports \d+/, '--to-ports 9'));
    if (line.includes('DNAT') && line.includes('DOCKER-INGRESS'))
      add('another destination', 'different', swapped(line, /--to-destination [0-9.]+/, '--to-destination 172.18.77.7'));
    if (namespace === 'host' && line.includes('-j DOCKER-INGRESS')) {
      const take = table === 'filter' ? 'DROP' : 'RETURN';
      const chain = line.split(' ')[1] ?? '';
      add('something before the jump', 'different', replaced(line, `-A ${chain} -j ${take}`, line), /DOCKER-INGRESS/);
      const last = lines.findLast((other) => other.startsWith(`-A ${chain} `) && other.endsWith('-j DROP'));
      if (table === 'filter' && last !== undefined) {
        add('jump below a DROP', 'different', (from) => after(last, line)(without(line)(from)), /DOCKER-INGRESS/);
        add('bridge dropped before', 'different', replaced(line, `-A ${chain} -o docker_gwbridge -p tcp -j DROP`, line), /DOCKER-INGRESS/);
      }
    }
  }
  return drafts;
}

/** Rules that Docker makes for containers that are none of the swarm's are not judged; ports of mode host of tasks on docker0 are. */
function isSwarms(line: string, table: string): boolean {
  return (!line.includes('docker0') || /--dport 9[0-9]{3} |--dport 8[01] -j ACCEPT/.test(line)) && ['mangle', 'nat', 'filter'].includes(table);
}

/** A change of the lines of one table only: some rules are in several. */
function inTable(table: string, change: Change): Change {
  return (lines) => {
    const from = lines.indexOf(`*${table}`);
    const to = lines.indexOf('COMMIT', from);
    return from === -1 ? lines : [...lines.slice(0, from), ...change(lines.slice(from, to)), ...lines.slice(to)];
  };
}

function faultsOfServers(lines: readonly string[]): readonly Draft[] {
  const drafts: Draft[] = [];
  const add = (name: string, scope: string, kind: Draft['kind'], object: RegExp, change: Change): void =>
    void drafts.push({ name, scope, kind, object, change });
  for (const line of lines) {
    const [, mark = ''] = /^-[Aa] -f (\d+) /.exec(line) ?? [];
    if (mark === '') continue;
    const scope = `virtual-server/${mark}`;
    if (line.startsWith('-A')) {
      const own = lines.filter((other) => other.startsWith(`-a -f ${mark} `));
      add('virtual server missing', scope, 'missing', /^virtual-server/, without(line, ...own));
      add('virtual server missing, servers left', scope, 'missing', /^virtual-server/, without(line));
      add('another scheduler', scope, 'different', /^virtual-server/, swapped(line, '-s rr', '-s wlc'));
      add(
        'virtual server unexpected',
        'virtual-server/999',
        'unexpected',
        /^virtual-server 999/,
        after(line, '-A -f 999 -s rr', '-a -f 999 -r 10.77.0.9:0 -m -w 1'),
      );
      const stale = (own[0] ?? line).replace(/-r (\d+\.\d+\.\d+)\.\d+/, '-r $1.249');
      if (own.length > 0) add('real server stale', `${scope}/stale`, 'unexpected', /^real-server .*\.249/, after(line, stale));
    } else {
      const [, address = ''] = / -r ([0-9.]+):/.exec(line) ?? [];
      const named = naming(`real-server ${address}`);
      add('real server missing', `${scope}/${address}`, 'missing', named, without(line));
      add('real server weight 0', `${scope}/${address}`, 'different', named, swapped(line, /-w 1$/, '-w 0'));
      add('real server direct', `${scope}/${address}`, 'different', named, swapped(line, ' -m ', ' -g '));
    }
  }
  return drafts;
}

function faultsOfPeers(lines: readonly string[]): readonly Draft[] {
  const drafts: Draft[] = [];
  for (const line of lines) {
    const add = (name: string, scope: string, kind: Draft['kind'], object: RegExp, change: Change): void =>
      void drafts.push({ name, scope: `link/vxlan0/${scope}`, kind, object, change });
    const [, address = '', mac = ''] = /^([0-9.]+) dev vxlan0 lladdr (\S+) PERMANENT/.exec(line) ?? [];
    if (mac !== '') {
      add('neighbour missing', `neighbour/${address}`, 'missing', naming(`neighbour ${address}`), without(line));
      add('neighbour wrong', `neighbour/${address}`, 'different', naming(`neighbour ${address}`), swapped(line, mac, '02:42:0a:63:63:63'));
      const stale = address.replace(/\d+$/, '248');
      add(
        'neighbour stale',
        `neighbour/${stale}`,
        'unexpected',
        naming(`neighbour ${stale}`),
        after(line, line.replace(address, stale).replace(mac, '02:42:0a:63:00:f8')),
      );
    }
    const [, own = '', vtep = ''] = /^(\S+) dev vxlan0 dst (\S+) .*self permanent/.exec(line) ?? [];
    if (vtep !== '') {
      add('forwarding missing', `forwarding/${own}`, 'missing', naming(`forwarding ${own}`), without(line));
      add('forwarding wrong', `forwarding/${own}`, 'different', naming(`forwarding ${own}`), swapped(line, vtep, '192.0.2.1'));
      add(
        'forwarding stale',
        'forwarding/02:42:0a:63:00:f9',
        'unexpected',
        /forwarding 02:42:0a:63:00:f9/,
        after(line, line.replace(own, '02:42:0a:63:00:f9')),
      );
    }
  }
  return drafts;
}

function faultsOfSettings(lines: readonly string[], namespace: string): readonly Draft[] {
  const balances = namespace === 'ingress_sbox' || namespace.startsWith('lb_');
  const names =
    namespace === 'host'
      ? ['net.ipv4.ip_forward', 'net.ipv4.conf.docker_gwbridge.route_localnet']
      : balances
        ? ['net.ipv4.ip_forward', ...['conntrack', 'conn_reuse_mode', 'expire_nodest_conn', 'expire_quiescent_template'].map((name) => `net.ipv4.vs.${name}`)]
        : [];
  return names.flatMap((name): readonly Draft[] => {
    const line = lines.find((text) => text.startsWith(`${name} = `));
    if (line === undefined) return [];
    const change = replaced(line, line.endsWith('1') ? `${name} = 0` : `${name} = 1`);
    // A setting of a link goes with it.
    const scope = name.includes('docker_gwbridge') ? `link/docker_gwbridge/${name}` : `sysctl/${name}`;
    return [{ name, scope, kind: 'different', object: naming(`sysctl ${name}`), change }];
  });
}

/** Whether one of two faults hides the other, or both are of one object. */
export function interfere(a: Fault, b: Fault): boolean {
  // Two ends of one cable may be lost by one fault only.
  if (a.name === b.name && a.name === 'link gone' && placeOf(a.file).node === placeOf(b.file).node) return true;
  if (a.file !== b.file) return false;
  return `${a.scope}/`.startsWith(`${b.scope}/`) || `${b.scope}/`.startsWith(`${a.scope}/`) || a.scope === '' || b.scope === '';
}
