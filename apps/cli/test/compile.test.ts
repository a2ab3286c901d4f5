import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NodeState } from '@portolan/node-state';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { compile, compiled, dumpsIn, example, examples, filesIn } from './compile-examples.js';
import { screen } from './screen.js';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function portolan(words: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--conditions=source', main, ...words], {
    encoding: 'utf8',
    input,
    env: { PATH: process.env.PATH, PORTOLAN_URL: 'http://127.0.0.1:9', PORTOLAN_CLUSTER: 'other' },
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-compile-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

const profiles = ['portolan', 'docker'] as const;
const cases = examples.flatMap(([file, node]) => profiles.map((profile) => [file, node, profile] as const));

describe.each(cases)('%s for %s, profile %s', (file, node, profile) => {
  const words = ['--node', node, '--profile', profile];

  it('is a script, JSON, and dumps of the same namespaces', async () => {
    const manifest = example(file);
    const script = await compiled(manifest, words);
    expect(script).toMatch(/^#!\/bin\/sh\n# The data plane of node /);
    expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    const json = JSON.parse(await compiled(manifest, [...words, '--format', 'json'])) as { readonly node: string };
    expect(json.node).toBe(node);
    const dumps = dumpsIn(await compiled(manifest, [...words, '--format', 'dump']));
    expect([...dumps.keys()][0]).toBe(`${node}.host.txt`);
    for (const [, name] of script.matchAll(/^netns add (.+)$/gm)) expect([...dumps.keys()]).toContain(`${node}.ns.${name}.txt`);
    const balances = [...dumps.values()].some(({ virtualServers }) => virtualServers.length > 0);
    expect(script.includes('modprobe -qa ip_vs ip_vs_rr xt_ipvs')).toBe(balances);
    for (const dump of dumps.values()) {
      for (const { mark } of dump.virtualServers) expect(script).toContain(`-A -f ${mark} -s `);
      for (const { mac, vtep } of dump.forwarding) if (vtep !== null) expect(script).toContain(`fdb replace ${mac} dev `);
    }
  });

  it('runs one process a tool and namespace', async () => {
    const script = await compiled(example(file), words);
    const runs = [...script.matchAll(/^(.*) <<'EOF'/gm)].map(([, run = '']) => run.replace(' -force', ''));
    // On the host `ip` runs once for the namespaces, once for links that reach into them, and once for what needs them.
    const inNamespaces = runs.filter((run) => run.startsWith('nsenter '));
    expect(new Set(inNamespaces).size).toBe(inNamespaces.length);
    expect(runs.length - inNamespaces.length).toBeLessThanOrEqual(8);
  });
});

describe('the state of the study', () => {
  it('as Docker has it: its names and chains, the same addresses as ours', async () => {
    const manifest = example('bjdt.yaml');
    const [ours, docker] = await Promise.all(
      profiles.map(async (profile) => dumpsIn(await compiled(manifest, ['--node', 'node1', '--profile', profile, '--format', 'dump']))),
    );
    const names = ['host', 'ns.1-5mckih8b5z', 'ns.lb_5mckih8b5', 'ns.1-t17rqrj45u', 'ns.ingress_sbox'].map((name) => `node1.${name}.txt`);
    for (const name of names) for (const dumps of [ours, docker]) expect([...(dumps?.keys() ?? [])]).toContain(name);
    const vips = (dumps: typeof ours) =>
      dumps
        ?.get('node1.ns.lb_5mckih8b5.txt')
        ?.links.flatMap(({ addresses }) => addresses.map(({ address }) => address))
        .sort();
    expect(vips(docker)).toEqual(vips(ours));
    expect(vips(ours)).toContain('10.0.0.20');
    const real = (dumps: typeof ours) =>
      dumps
        ?.get('node1.ns.lb_5mckih8b5.txt')
        ?.realServers.map(({ address }) => address)
        .sort();
    expect(real(docker)).toEqual(real(ours));
    expect(docker?.get('node1.host.txt')?.chains.map(({ chain }) => chain)).toContain('DOCKER-INGRESS');
    expect(ours?.get('node1.host.txt')?.chains.map(({ chain }) => chain)).toContain('PORTOLAN-INGRESS');
  });

  it('counts every endpoint as healthy and every node as up', async () => {
    const state = JSON.parse(await compiled(example('data-plane.yaml'), ['--node', 'node1', '--json'])) as NodeState;
    const servers = state.objects.filter(({ body }) => body.kind === 'real-server');
    expect(servers.length).toBeGreaterThan(5);
    for (const { body } of servers) expect(body).toMatchObject({ weight: 1 });
  });

  it('of flannel leads to the other node by its lease, over the interface that is named', async () => {
    const words = ['--node', 'node-a', '--underlay', 'ens5'];
    const script = await compiled(example('flannel.yaml'), words);
    expect(script).toMatch(/link add flannel\.1 .* dev ens5 local 172\.16\.130\.140/);
    expect(script).toContain('route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink');
  });

  it('of flannel over UDP has a device that waits for the relay', async () => {
    const script = await compiled(example('flannel.yaml').replace('{ type: vxlan }', '{ type: udp }'), ['--node', 'node-a']);
    expect(script).toMatch(/\ntuntap add dev flannel0 mode tun\nEOF\n[\s\S]*\nlink set dev flannel0 mtu /);
  });

  it('names the namespaces of containers and processes, which are somewhere else', async () => {
    const manifest = example('two-hosts.yaml').replace('{ container: web-1 }', '{ pid: 4711 }').replace('node: host-b, attachment', 'node: host-a, attachment');
    const script = await compiled(manifest, ['--node', 'host-a']);
    expect(script).toContain('ip netns attach web-1 4711\n');
    expect(script).toContain(`ip netns attach web-2 "$(docker inspect --format '{{.State.Pid}}' web-2)"\n`);
    expect(script).toContain('nsenter --net=/run/netns/web-2 ip -batch -');
  });
});

describe('the same input', () => {
  it.each(profiles)('gives the same bytes in two processes, profile %s', (profile) => {
    const run = () => portolan(['compile', '-f', '-', '--node', 'node1', '--profile', profile], example('data-plane.yaml'));
    const first = run();
    expect(first).toMatchObject({ status: 0, stderr: '' });
    expect(run()).toEqual(first);
  });

  it('in JSON is the same input', async () => {
    const words = ['--node', 'host-a', '--format', 'json'];
    const json = JSON.stringify({ nodes: [{ name: 'host-a', address: '192.0.2.1' }], networks: [{ name: 'shop' }] });
    const yaml = 'nodes: [{ name: host-a, address: 192.0.2.1 }]\nnetworks: [{ name: shop }]\n';
    expect(await compiled(json, words)).toBe(await compiled(yaml, words));
  });

  it('with one more endpoint keeps the ids of the others', async () => {
    const idsIn = async (manifest: string) =>
      Object.keys((JSON.parse(await compiled(manifest, ['--node', 'node1', '--format', 'json'])) as NodeState).endpoints);
    const manifest = example('bjdt.yaml');
    const more = manifest.replace('endpoints:\n', 'endpoints:\n  - { name: new, service: bjdt_bjdt-dzwl, node: node1, attachment: { pid: 99 } }\n');
    const before = await idsIn(manifest);
    const after = await idsIn(more);
    expect(before.length).toBeGreaterThan(1);
    expect(after).toHaveLength(before.length + 1);
    expect(after).toEqual(expect.arrayContaining(before));
  });
});

describe('files of a dump', () => {
  it('are written where they are wanted, the same as are printed', async () => {
    const folder = temporaryFolder();
    const words = ['--node', 'node1', '--format', 'dump'];
    const { exitCode, out, err } = await compile(example('bjdt.yaml'), [...words, '--directory', 'a/b'], { directory: folder });
    expect({ exitCode, out }).toEqual({ exitCode: 0, out: '' });
    const printed = filesIn(await compiled(example('bjdt.yaml'), words));
    const written = readdirSync(join(folder, 'a/b'));
    expect(written.sort()).toEqual([...printed.keys()].sort());
    expect(err).toContain(`${written.length} files are in a/b`);
    for (const [name, text] of printed) expect(readFileSync(join(folder, 'a/b', name), 'utf8')).toBe(text);
  });

  it('that cannot be written are an error', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const words = ['--node', 'node1', '--format', 'dump', '--directory', 'file'];
    expect(await compile(example('bjdt.yaml'), words, { directory: folder })).toMatchObject({
      exitCode: 1,
      err: expect.stringContaining('cannot write to file') as unknown,
    });
  });

  it('belong to dumps', async () => {
    const words = ['--node', 'node1', '--directory', 'x'];
    expect(await compile(example('bjdt.yaml'), words)).toMatchObject({ exitCode: 2, err: expect.stringContaining('--format dump') as unknown });
  });
});

describe('what is wrong is told', () => {
  it('of a node that is not there, with those that are', async () => {
    const { exitCode, err } = await compile(example('bjdt.yaml'), ['--node', 'node9']);
    expect({ exitCode, err }).toEqual({ exitCode: 2, err: expect.stringMatching(/no node "node9"[\s\S]*node1, node2, node3/) as unknown });
    expect((await compile('services: []\n', ['--node', 'a'])).err).toContain('no nodes');
  });

  it('of a manifest, with its line', async () => {
    const manifest = 'nodes:\n  - { name: a, address: 10.0.0.999 }\n';
    expect(await compile(manifest, ['--node', 'a'])).toMatchObject({ exitCode: 1, out: '', err: expect.stringContaining('at standard input:2:') as unknown });
    const dangling = 'nodes:\n  - { name: a, address: 10.0.0.9 }\nservices:\n  - name: web\n    networks:\n      - network: nowhere\n';
    expect((await compile(dangling, ['--node', 'a'])).err).toMatch(/no network "nowhere" \[unknown-reference\]\n {2}at standard input:6:/);
  });

  it.each([
    [['--format', 'commands'], /node/],
    [['--node', 'node1', '--format', 'yaml'], /commands/],
    [['--node', 'node1', '--profile', 'podman'], /docker/],
  ])('of a command line with %j', async (words, message) => {
    expect(await compile(example('bjdt.yaml'), words)).toMatchObject({ exitCode: 2, err: expect.stringMatching(message) as unknown });
  });

  it('of what is left out', async () => {
    const docker = await compile(example('two-hosts.yaml'), ['--node', 'host-a', '--profile', 'docker']);
    expect(docker).toMatchObject({ exitCode: 0, err: expect.stringMatching(/^note: .*namespace of web-1 .*attachment\.netns\)\n$/) as unknown });
    const small = example('flannel.yaml')
      .replace('network: 10.244.0.0/16', 'network: 10.244.0.0/16\n  subnetMin: 10.244.9.0\n  subnetMax: 10.244.9.0')
      .replace(/ {2}reservations:[\s\S]*?\n\n/, '\n')
      .replace(/flannel: \{ address.*?\}/g, 'flannel: {}');
    const notes = await Promise.all(['node-a', 'node-b'].map(async (node) => (await compile(small, ['--node', node])).err));
    // The network has one subnet to give.
    expect(notes.filter((note) => note !== '')).toEqual([expect.stringContaining('gets no subnet of the flannel network 10.244.0.0/16')]);
  });

  it('of namespaces that Docker would call the same', async () => {
    const manifest = example('bjdt.yaml').replace('/run/netns/bjdt_bjdt-dzwl-web.1', '/var/other/bjdt_bjdt-dzwl.1');
    const { exitCode, err } = await compile(manifest, ['--node', 'node1', '--profile', 'docker']);
    expect({ exitCode, err }).toEqual({ exitCode: 1, err: expect.stringContaining('bjdt_bjdt-dzwl.1') as unknown });
  });
});

describe('completion', () => {
  it('knows the formats and the profiles', () => {
    const complete = (...words: string[]) => portolan(['--get-yargs-completions', 'portolan', 'compile', ...words]).stdout.split('\n');
    expect(complete('--format', '')).toEqual(expect.arrayContaining(['commands', 'json', 'dump']));
    expect(complete('--profile', '')).toEqual(expect.arrayContaining(['portolan', 'docker']));
    expect(complete('--')).toEqual(expect.arrayContaining(['--node', '--directory', '--underlay']));
  });

  it('takes nodes from the manifest and asks no control plane', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'cluster.yaml'), 'nodes:\n  - { name: left, address: 10.0.0.1 }\n  - { name: right, address: 10.0.0.2 }\n');
    const complete = async (...words: string[]) => {
      const shown = screen({ environment: { PORTOLAN_URL: 'http://127.0.0.1:9' } });
      expect(await runPortolan(['--get-yargs-completions', 'portolan', 'compile', ...words], shown)).toBe(0);
      return shown.out();
    };
    expect(await complete('-f', join(folder, 'cluster.yaml'), '--node', '')).toBe('left\nright\n');
    expect(await complete('-f', join(folder, 'cluster.yaml'), '--node', 'r')).toBe('right\n');
    expect(await complete('-f', join(folder, 'nothing.yaml'), '--node', '')).toBe('');
  });
});
