import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { NamespaceDump } from '@portolan/dump';
import { describe, expect, it } from 'vitest';
import { compiled, dumpsIn, example, examples } from './compile-examples.js';

/**
 * The scripts in the kernel that runs the tests: a namespace of their own is the host, and a folder of their own has the names of the others. All but
 * IPVS, which few kernels have: what needs it is left out, as in the tests of the renderer.
 */
const isRoot = process.getuid?.() === 0;

function withoutIpvs(script: string): string {
  const blocks = script.split('\n\n').filter((block) => !/^\S.*ipvsadm -R/.test(block));
  return blocks
    .map((block) => block.split('\n').filter((line) => !line.includes('--ipvs') && !line.includes('net.ipv4.vs.')))
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

const SHOW = [
  'echo "# addr"; ip -d addr; echo "# route"; ip route show table all; echo "# neigh"; ip neigh; echo "# fdb"; bridge fdb',
  'echo "# iptables"; iptables-save; echo "# ipvs"; echo "# sysctl"; sysctl -a --pattern "^net.ipv4.(ip_forward|conf)" 2>/dev/null',
].join('; ');

/** Runs the script on a host with these endpoints, and gives what its namespaces show then. */
function runScript(script: string, node: string, address: string, endpoints: readonly string[]): ReadonlyMap<string, NamespaceDump> {
  mkdirSync('/run/netns', { recursive: true });
  const run = [
    'set -e',
    'mount -t tmpfs none /run/netns',
    // It takes that over from the machine, and is to get it from the script.
    'sysctl -q -w net.ipv4.ip_forward=0',
    `ip link set lo up; ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip addr add ${address}/24 dev eth0`,
    // Those of containers come with their lo up.
    ...endpoints.map((name) => `ip netns add ${name}; ip -n ${name} link set lo up`),
    `sh -s <<'SCRIPT'\n${script}SCRIPT`,
    `echo "==> ${node}.host.txt <=="; sh -c '${SHOW}'`,
    `for name in $(ls /run/netns); do echo; echo "==> ${node}.ns.$name.txt <=="; nsenter --net=/run/netns/$name sh -c '${SHOW}'; done`,
  ].join('\n');
  const { status, stdout, stderr } = spawnSync('unshare', ['--net', '--mount', 'sh', '-s'], { input: run, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`exit code ${status}: ${stderr}`);
  return dumpsIn(stdout);
}

/** What two dumps of one namespace must have in common: not what the kernel chooses, nor what is the host's own. */
function comparable(dump: NamespaceDump, of: NamespaceDump = dump) {
  const chosen = new Set(of.links.filter(({ mac }) => mac === null).map(({ name }) => name));
  const isOwn = (name: string | null) => name !== 'eth0' || of.links.some((link) => link.name === 'eth0');
  const sysctls = Object.keys(of.sysctls).filter((name) => !name.startsWith('net.ipv4.vs.') && !name.startsWith('net.ipv6.'));
  return {
    links: dump.links
      .filter(({ name }) => name !== 'far' && isOwn(name))
      .map((link) => ({ ...link, mac: chosen.has(link.name) ? null : link.mac }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    routes: dump.routes
      .filter(({ link }) => isOwn(link))
      .map((route) => JSON.stringify({ ...route, protocol: route.protocol ?? 'boot' }))
      .sort(),
    neighbours: dump.neighbours
      .filter(({ state }) => state === 'PERMANENT')
      .map((entry) => JSON.stringify(entry))
      .sort(),
    forwarding: dump.forwarding
      .filter(({ vtep }) => vtep !== null)
      .map((entry) => JSON.stringify(entry))
      .sort(),
    chains: dump.chains
      .filter(({ policy }) => policy === null)
      .map((chain) => JSON.stringify(chain))
      .sort(),
    rules: dump.rules.filter(({ match }) => !match.includes('--ipvs')).toSorted((a, b) => (a.table < b.table ? -1 : a.table > b.table ? 1 : 0)),
    sysctls: Object.fromEntries(sysctls.map((name) => [name, dump.sysctls[name]])),
  };
}

describe.skipIf(!isRoot)('the commands of', () => {
  it.each(examples.flatMap(([file, node]) => (['portolan', 'docker'] as const).map((profile) => [file, node, profile] as const)))(
    '%s for %s, profile %s, make what the dump says',
    async (file, node, profile) => {
      const words = ['--node', node, '--profile', profile];
      const manifest = example(file);
      const expected = dumpsIn(await compiled(manifest, [...words, '--format', 'dump']));
      const script = withoutIpvs(await compiled(manifest, words));
      const made = [...script.matchAll(/^netns add (.+)$/gm)].map(([, name]) => `${node}.ns.${name}.txt`);
      const endpoints = [...expected.keys()]
        .filter((name) => name.includes('.ns.') && !made.includes(name))
        .map((name) => name.slice(`${node}.ns.`.length, -'.txt'.length));
      const found = runScript(script, node, file === 'data-plane.yaml' && node === 'node3' ? '172.16.130.170' : '172.16.130.140', endpoints);
      expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [name, dump] of expected) expect(comparable(found.get(name) ?? dump, dump), name).toEqual(comparable(dump));
    },
  );
});

it('has a kernel to try them in: needs root', () => expect(isRoot).toBe(true));
