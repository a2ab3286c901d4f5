import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dumpSections, type NamespaceDump, printNamespace, readNamespace } from '../src/index.js';
import { namespaceDump } from './arbitraries.js';
import { capture, captures } from './captures.js';

/** A whole dump with this text in one of its sections. */
function dumpWith(section: (typeof dumpSections)[number], text: string) {
  const lo = '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n';
  const usual: Partial<Record<string, string>> = { addr: lo, sysctl: 'net.ipv4.ip_forward = 1\n' };
  return readNamespace(dumpSections.map((name) => `# ${name}\n${name === section ? text : (usual[name] ?? '')}`).join(''));
}

function readRule(line: string) {
  return dumpWith('iptables', `*nat\n:X - [0:0]\n${line}\nCOMMIT\n`).dump.rules[0];
}

describe('the capture of a real swarm', () => {
  it('has twenty namespaces', () => expect(captures.size).toBe(20));

  it.each([...captures])('%s is read whole, and again as it is printed', (_name, text) => {
    const { dump, faults, absent } = readNamespace(text);
    expect({ faults, absent }).toEqual({ faults: [], absent: [] });
    expect(readNamespace(printNamespace(dump))).toEqual({ dump, faults: [], absent: [] });
  });

  it('of an overlay has its devices, peers and nothing of IPv6', () => {
    const { dump } = readNamespace(capture('node1.ns.1-mou30nzwns.txt'));
    expect(dump.links.map(({ name, kind, master, mtu }) => `${name} ${kind} ${master} ${mtu}`)).toEqual([
      'lo loopback null 65536',
      'br0 bridge null 1450',
      'vxlan0 vxlan br0 1450',
      'veth0 veth br0 1450',
      'veth1 veth br0 1450',
      'veth2 veth br0 1450',
    ]);
    expect(dump.links[2]?.vxlan).toEqual({ vni: 4097, port: 4789, proxy: true, learning: true, l2miss: true, l3miss: true });
    expect(dump.links[1]?.addresses).toEqual([{ address: '10.0.1.1', prefixLength: 24, scope: 'global' }]);
    expect(dump.neighbours).toHaveLength(5);
    expect(dump.neighbours[0]).toEqual({ address: '10.0.1.6', link: 'vxlan0', mac: '02:42:0a:00:01:06', state: 'PERMANENT' });
    expect(dump.forwarding.filter(({ vtep }) => vtep !== null)).toHaveLength(5);
    expect(dump.routes.map(({ type, destination }) => `${type} ${destination}`)).toContain('broadcast 10.0.1.255');
    expect(dump.routes.every(({ destination }) => !destination.includes(':'))).toBe(true);
    expect(dump.sysctls['net.ipv4.vs.sync_threshold']).toBe('3\t50');
  });

  it('of the ingress sandbox has its rules and servers', () => {
    const { dump } = readNamespace(capture('node1.ns.ingress_sbox.txt'));
    expect(dump.rules[0]).toEqual({
      table: 'mangle',
      chain: 'PREROUTING',
      match: '-p tcp -m tcp --dport 8000',
      target: 'MARK',
      options: '--set-xmark 0x101/0xffffffff',
    });
    expect(dump.virtualServers).toEqual([{ mark: 257, scheduler: 'rr', persistence: 0 }]);
    expect(dump.realServers[1]).toEqual({ mark: 257, address: '10.0.0.7', port: 0, forwarding: 'masquerade', weight: 1 });
    expect(dump.links.find(({ name }) => name === 'eth0')?.addresses.map(({ address }) => address)).toEqual(['10.0.0.2', '10.0.0.5']);
  });
});

it('whatever is printed is read back', () => {
  fc.assert(
    fc.property(namespaceDump, (dump) => {
      expect(readNamespace(printNamespace(dump))).toEqual({ dump, faults: [], absent: [] });
    }),
  );
});

describe('other versions of the tools', () => {
  it.each([
    ['-A X -j MARK --set-mark 0x101', '--set-xmark 0x101/0xffffffff'],
    ['-A X -j MARK --set-mark 257', '--set-xmark 0x101/0xffffffff'],
    ['-A X -j MARK --set-mark 0x101/0xff', '--set-xmark 0x101/0x1ff'],
    ['-A X -j MARK --set-xmark 0x101', '--set-xmark 0x101/0xffffffff'],
    ['-A X -j CONNMARK --save-mark', '--save-mark'],
  ])('%s', (line, options) => expect(readRule(line)?.options).toBe(options));

  it.each([
    '-A X -d 10.0.0.5/32 -j ACCEPT',
    '[12:3456] -A X -d 10.0.0.5/32 -j ACCEPT',
    '-A X -d 10.0.0.5/32 -m comment --comment plain -j ACCEPT',
    '-A X -m comment --comment "a \\"quoted\\" -j DROP # comment" -d 10.0.0.5/32 -j ACCEPT',
    '-A X -d 10.0.0.5/32 -j ACCEPT',
  ])('%s is one rule', (line) => {
    expect(readRule(line)).toEqual({ table: 'nat', chain: 'X', match: '-d 10.0.0.5/32', target: 'ACCEPT', options: '' });
  });

  it('a jump in quotes is none, and a rule may have no target', () => {
    expect(readRule('-A X -j LOG --log-prefix "to -j or not"')).toMatchObject({ match: '', target: 'LOG', options: '--log-prefix "to -j or not"' });
    expect(readRule('-A X -d 10.0.0.5/32')).toMatchObject({ match: '-d 10.0.0.5/32', target: null, options: '' });
    expect(readRule('-A X -d 10.0.0.5/32 -g Y')).toMatchObject({ match: '-d 10.0.0.5/32', target: 'Y' });
  });

  it.each([
    ['nolearning proxy', { learning: false, proxy: true, l2miss: false, l3miss: false }],
    ['learning noproxy l2miss l3miss', { learning: true, proxy: false, l2miss: true, l3miss: true }],
  ])('a VTEP with %s', (options, expected) => {
    const text = `7: vxlan0@NONE: <BROADCAST> mtu 1450 qdisc noop master br0 state DOWN\n    link/ether 3A:02:8d:4a:0b:59 brd ff:ff:ff:ff:ff:ff\n    altname x\n    alias bridge of mine\n    vxlan id 4097 srcport 0 0 dstport 4790 ${options} ttl auto\n    bridge_slave state disabled\n    inet 192.0.2.1 peer 192.0.2.2/32 scope global vxlan0\n`;
    const { dump, faults } = dumpWith('addr', text);
    expect(faults).toEqual([]);
    expect(dump.links[0]).toEqual({
      name: 'vxlan0',
      kind: 'vxlan',
      up: false,
      mtu: 1450,
      mac: '3a:02:8d:4a:0b:59',
      master: 'br0',
      vxlan: { vni: 4097, port: 4790, ...expected },
      addresses: [{ address: '192.0.2.1', prefixLength: 32, scope: 'global' }],
    });
  });

  it('servers with affinity, without numbers of ports, of others and over IPv6', () => {
    const { dump, faults } = dumpWith(
      'ipvs',
      '-A -t 192.0.2.1:80 -s wlc\n-a -t 192.0.2.1:80 -r 192.0.2.2:80 -m -w 1\n-A -f 257 -s rr -p 300 -M 255.255.255.255\n-a -f 257 -r 10.0.0.6 -g -w 0 -x 5\n-A -f 9 -6 -s rr\n-a -f 257 -r [fd00::1]:0 -m -w 1\n',
    );
    expect(faults).toEqual([]);
    expect(dump.virtualServers).toEqual([{ mark: 257, scheduler: 'rr', persistence: 300 }]);
    expect(dump.realServers).toEqual([{ mark: 257, address: '10.0.0.6', port: 0, forwarding: 'direct', weight: 0 }]);
  });

  it('names instead of addresses are a fault that says what to do', () => {
    const { faults, absent } = dumpWith('ipvs', '-A -f 257 -s rr\n-a -f 257 -r web.1:0 -m -w 1\n');
    expect(faults).toEqual([{ line: 10, message: expect.stringContaining('ipvsadm -Sn') as unknown }]);
    expect(absent).toEqual(['ipvs']);
  });

  it('routes of IPv6 are left out, of several ways the first counts', () => {
    const { dump, faults } = dumpWith(
      'route',
      'default proto static metric 7 \n\tnexthop via 192.0.2.1 dev eth0 weight 1 \n\tnexthop via 192.0.2.2 dev eth1 weight 1 \ndefault dev eth0 metric 1024 pref medium\nfe80::/64 dev eth0 proto kernel metric 256 pref medium\ndefault via inet6 fe80::1 dev eth0\n10.0.0.0/24 via 192.0.2.3 dev eth0 onlink \n',
    );
    expect(faults).toEqual([]);
    expect(dump.routes).toEqual([
      { type: 'unicast', destination: 'default', via: '192.0.2.1', link: 'eth0', table: 'main', protocol: 'static', metric: 7 },
      { type: 'unicast', destination: '10.0.0.0/24', via: '192.0.2.3', link: 'eth0', table: 'main', protocol: null, metric: 0 },
    ]);
  });

  it('what ip says of namespaces without a name may stand within a line', () => {
    const text = capture('node1.ns.1-mou30nzwns.txt');
    const quiet = text.replaceAll('Error: Peer netns reference is invalid.\n', '');
    for (const place of [quiet.indexOf('vxlan id') + 3, quiet.indexOf('mtu 1450') + 6, quiet.indexOf('inet 10.0.1.1')]) {
      const noisy = `${quiet.slice(0, place)}Error: Peer netns reference is invalid.\nError: Peer netns reference is invalid.\n${quiet.slice(place)}`;
      expect(readNamespace(noisy)).toEqual(readNamespace(text));
    }
  });

  it('lines may end as on Windows', () => {
    const text = capture('node1.ns.ingress_sbox.txt');
    expect(readNamespace(`\ufeff${text.replaceAll('\n', '\r\n')}`)).toEqual(readNamespace(text));
  });
});

describe('a file that is not whole', () => {
  const text = capture('node1.ns.ingress_sbox.txt');
  const whole = readNamespace(text).dump;

  it.each(['', '\n', 'hello\n', '\0\x01\ufffd'.repeat(9), '{"a": 1}', '# addr\n'])('%j has faults and lacks sections', (broken) => {
    const { faults, absent } = readNamespace(broken);
    expect(faults.length).toBeGreaterThan(0);
    expect(absent).toEqual(dumpSections);
  });

  it('cut anywhere it is never taken for a whole one, and what is taken for whole is', () => {
    const keys: Record<(typeof dumpSections)[number], readonly (keyof NamespaceDump)[]> = {
      addr: ['links'],
      route: ['routes'],
      neigh: ['neighbours'],
      fdb: ['forwarding'],
      iptables: ['chains', 'rules'],
      ipvs: ['virtualServers', 'realServers'],
      sysctl: ['sysctls'],
    };
    const lastSection = text.indexOf('# sysctl\n');
    for (let length = 0; length < text.length; length += 7) {
      const { dump, faults, absent } = readNamespace(text.slice(0, length));
      // Between two settings a cut leaves no trace.
      if (length < lastSection || text[length - 1] !== '\n') expect(faults.length, `cut at ${length}`).toBeGreaterThan(0);
      for (const section of dumpSections) {
        if (absent.includes(section) || (section === 'sysctl' && length > lastSection)) continue;
        for (const key of keys[section]) expect(dump[key], `${key} of a file cut at ${length}`).toEqual(whole[key]);
      }
    }
  });

  it('names the line', () => {
    const lines = text.split('\n');
    const commit = lines.indexOf('COMMIT');
    const start = lines.indexOf('*mangle');
    const { faults, absent } = readNamespace(lines.toSpliced(commit, 1).join('\n'));
    expect(faults).toEqual([{ line: start + 1, message: 'the table mangle has no COMMIT: rules may be missing' }]);
    expect(absent).toEqual(['iptables']);
  });

  it('says which section is missing, and which is there twice', () => {
    const without = readNamespace(text.replace('# ipvs\n', ''));
    expect(without.absent).toContain('ipvs');
    expect(without.faults).toContainEqual({ line: 0, message: 'the section "# ipvs" is missing' });
    expect(readNamespace(text + text).faults).toHaveLength(dumpSections.length);
  });

  it('with an error in the place of an answer is not taken for an empty kernel', () => {
    const { faults, absent } = dumpWith('ipvs', "Can't initialize ipvs: Protocol not available\n");
    expect(faults[0]?.message).toContain("Can't initialize ipvs");
    expect(absent).toEqual(['ipvs']);
    expect(dumpWith('iptables', "# Table `nat' is incompatible, use 'nft' tool.\n").absent).toEqual(['iptables']);
  });

  it('is never a crash', () => {
    const noise = fc.constantFrom(
      ...dumpSections.map((name) => `# ${name}\n`),
      '*nat\n',
      'COMMIT\n',
      ':A',
      '-A X -j',
      '-a -f 1 -r',
      ' inet 1/2',
      '1: a: <> mtu 3\n',
      '\n',
      ' ',
      '"',
      '\\',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(noise, fc.string({ unit: 'binary' }))), (parts) => {
        const { faults } = readNamespace(parts.join(''));
        expect(faults.length).toBeGreaterThan(0);
      }),
    );
  });

  it('tells of much garbage in few words', () => {
    const { faults } = readNamespace('garbage\n'.repeat(100_000));
    expect(faults.length).toBeLessThan(50);
    expect(faults.at(-1)?.message).toMatch(/^\d+ more lines cannot be read$/);
  });
});

it('reads a hundred nodes with 55 namespaces in well under three seconds', () => {
  const texts = [...captures.values()];
  const bytes = 100 * 55 * 12 * 1024;
  let [read, i] = [0, 0];
  // Of the processor, for others use the machine, too.
  const start = process.cpuUsage();
  while (read < bytes) {
    const text = texts[i++ % texts.length] ?? '';
    readNamespace(text);
    read += text.length;
  }
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(3000);
});
