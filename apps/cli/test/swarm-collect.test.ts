import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readNamespace } from '@portolan/dump';
import { readSwarm } from '@portolan/swarm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { dumpOf, placesIn } from '../src/swarm/collect-dump.js';
import { readCollection } from '../src/swarm/collection.js';
import { type Screen, screen } from './screen.js';

const capture = fileURLToPath(new URL('../../../packages/swarm/test/fixtures/capture', import.meta.url));
const listed = (file: string): readonly Readonly<Record<string, unknown>>[] => JSON.parse(readFileSync(join(capture, file), 'utf8'));

let folder = '';
let namespaces = '';
const mounted: string[] = [];
let engine: Server | undefined;
const { PATH } = process.env;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-collect-'));
  namespaces = join(folder, 'netns');
  mkdirSync(namespaces);
});
afterEach(async () => {
  process.env.PATH = PATH;
  for (const file of mounted.splice(0)) execFileSync('umount', [file]);
  if (engine !== undefined) {
    engine.close();
    await once(engine, 'close');
    engine = undefined;
  }
  rmSync(folder, { recursive: true });
});

/** A namespace of this machine, mounted as Docker mounts its own, with a link that has an address. */
function namespace(name: string, address: string): string {
  const file = join(namespaces, name);
  writeFileSync(file, '');
  execFileSync('unshare', [`--net=${file}`, 'ip', 'link', 'set', 'lo', 'up']);
  mounted.push(file);
  const inside = (...argv: readonly string[]): unknown => execFileSync('nsenter', [`--net=${file}`, ...argv]);
  inside('ip', 'link', 'add', 'eth0', 'type', 'bridge');
  inside('ip', 'address', 'add', `${address}/24`, 'dev', 'eth0');
  inside('ip', 'link', 'set', 'eth0', 'up');
  inside('iptables', '-t', 'mangle', '-A', 'INPUT', '-d', address, '-j', 'MARK', '--set-mark', '256');
  return file;
}

interface Fake {
  readonly node: string;
  readonly manager?: boolean;
  readonly active?: boolean;
  /** Called at each request; an answer of its own in the place of Docker's. */
  readonly answer?: (path: string) => { readonly status: number; readonly body: string } | undefined;
}

/** Docker of one node of the capture, as far as it is asked here. Gives the argument of --host. */
async function fakeEngine({ node, manager = true, active = true, answer }: Fake): Promise<string> {
  const socket = join(folder, `${node}.sock`);
  const networks = listed(`${node}.networks.json`);
  const documents: Readonly<Record<string, unknown>> = {
    '/info': { Name: node, Swarm: { LocalNodeState: active ? 'active' : 'inactive', ControlAvailable: manager, NodeID: 'x' } },
    '/networks': networks.filter(({ Driver }) => Driver === 'overlay').map(({ Containers: _containers, Services: _services, ...network }) => network),
    '/services': listed('services.json'),
    '/tasks': listed('tasks.json'),
    '/nodes': listed('nodes.json'),
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://docker');
    const own = answer?.(pathname);
    if (own !== undefined) return void response.writeHead(own.status).end(own.body);
    const [, id] = /^\/networks\/(.+)$/.exec(pathname) ?? [];
    const network = networks.find(({ Id, Name }) => Id === id || Name === id);
    const found = id === undefined ? documents[pathname] : searchParams.get('verbose') === 'true' ? network : undefined;
    response.writeHead(found === undefined ? 404 : 200).end(JSON.stringify(found ?? { message: 'not found' }));
  });
  engine = server;
  server.listen(socket);
  await once(server, 'listening');
  return `unix://${socket}`;
}

async function collect(host: string, ...more: readonly string[]): Promise<Screen & { readonly code: number }> {
  const shown = screen({ directory: folder });
  const code = await runPortolan(['swarm', 'collect', 'out', '--host', host, '--netns-directory', namespaces, ...more], shown);
  return { ...shown, code };
}

const written = (): readonly string[] => readdirSync(join(folder, 'out')).sort();
const text = (file: string): string => readFileSync(join(folder, 'out', file), 'utf8');

describe('portolan swarm collect', () => {
  it('writes what Docker says and the state of each namespace, as they are read again', async () => {
    namespace('1-mou30nzwns', '10.0.1.1');
    namespace('lb_mou30nzwn', '10.0.1.8');
    const { out, code } = await collect(await fakeEngine({ node: 'node1' }));
    expect([code, out()]).toEqual([0, 'node1 (manager): 7 files in out\n']);
    expect(written()).toEqual([
      'node1.host.txt',
      'node1.networks.json',
      'node1.ns.1-mou30nzwns.txt',
      'node1.ns.lb_mou30nzwn.txt',
      'nodes.json',
      'services.json',
      'tasks.json',
    ]);
    const { dumps, ...documents } = readCollection('out', folder);
    const { swarm, faults } = readSwarm(documents);
    expect(faults).toEqual([]);
    expect(swarm.nodes[0]?.balancers?.map(({ address }) => address)).toEqual(['10.0.1.8', '10.0.0.2']);
    expect(swarm.services.map(({ name }) => name)).toEqual(['api', 'web']);

    const balancer = readNamespace(dumps.get('node1')?.get('lb_mou30nzwn') ?? '');
    expect([balancer.faults, balancer.absent]).toEqual([[], []]);
    expect(balancer.dump.links.find(({ name }) => name === 'eth0')?.addresses).toEqual([expect.objectContaining({ address: '10.0.1.8' })]);
    expect(balancer.dump.rules).toEqual([expect.objectContaining({ table: 'mangle', chain: 'INPUT', match: '-d 10.0.1.8/32', target: 'MARK' })]);
    expect(Object.keys(balancer.dump.sysctls)).toEqual(expect.arrayContaining(['net.ipv4.ip_forward', 'net.ipv4.conf.eth0.route_localnet']));
    expect(Object.keys(balancer.dump.sysctls).filter((name) => name.startsWith('net.ipv4.tcp'))).toEqual([]);
    // The other namespace is another one, and so is the host.
    expect(text('node1.ns.1-mou30nzwns.txt')).not.toContain('10.0.1.8');
    expect(text('node1.host.txt')).not.toContain('10.0.1.8');
  });

  it('asks for every network in full, and leaves out the namespace of the host', async () => {
    symlinkSync('/proc/self/ns/net', join(namespaces, 'default'));
    const asked: string[] = [];
    await collect(await fakeEngine({ node: 'node2', manager: false, answer: (path) => void asked.push(path) }));
    expect(asked).toContain('/networks/docker_gwbridge');
    expect(JSON.parse(text('node2.networks.json'))).toEqual(
      expect.arrayContaining(listed('node2.networks.json').map((network) => expect.objectContaining(network))),
    );
    expect(written()).toEqual(['node2.host.txt', 'node2.networks.json']);
  });

  it('of a worker says that a manager is needed too; both share a directory', async () => {
    namespace('1-mou30nzwns', '10.0.1.1');
    const worker = await collect(await fakeEngine({ node: 'node2', manager: false }));
    expect([worker.code, worker.out()]).toEqual([0, 'node2 (worker): 3 files in out\n']);
    expect(worker.err()).toContain('note: "node2" is no manager: run it on one too, into the same directory, for services.json, tasks.json and nodes.json\n');
    const before = text('node2.ns.1-mou30nzwns.txt');
    engine?.close();
    await collect(await fakeEngine({ node: 'node1' }));
    expect(written()).toContain('services.json');
    expect(text('node2.ns.1-mou30nzwns.txt')).toBe(before);
    expect(readSwarm(readCollection('out', folder)).faults).toEqual([]);
  });

  it('removes dumps of its own namespaces that are gone, and nothing else', async () => {
    mkdirSync(join(folder, 'out'));
    for (const name of ['node1.ns.0123456789ab.txt', 'node1.ns.b.ns.0123456789ab.txt', 'node2.ns.0123456789ab.txt', 'node1.txt']) {
      writeFileSync(join(folder, 'out', name), 'before');
    }
    await collect(await fakeEngine({ node: 'node1' }));
    expect(written()).toEqual(expect.arrayContaining(['node1.ns.b.ns.0123456789ab.txt', 'node2.ns.0123456789ab.txt', 'node1.txt']));
    expect(written()).not.toContain('node1.ns.0123456789ab.txt');
  });

  it('leaves out what a missing tool would show, and says which package has it', async () => {
    namespace('1-mou30nzwns', '10.0.1.1');
    const tools = join(folder, 'tools');
    mkdirSync(tools);
    for (const tool of ['ip', 'nsenter', 'iptables-save', 'sysctl']) symlinkSync(found(tool), join(tools, tool));
    process.env.PATH = tools;
    const { err, code } = await collect(await fakeEngine({ node: 'node1' }));
    expect(code).toBe(0);
    expect(err()).toContain('note: host: no "# ipvs", ipvsadm is not here: install the package ipvsadm\n');
    expect(err()).toContain('note: 1-mou30nzwns: no "# fdb", bridge is not here: install the package iproute2\n');
    const { absent, dump } = readNamespace(text('node1.ns.1-mou30nzwns.txt'));
    expect(absent).toEqual(expect.arrayContaining(['fdb', 'ipvs']));
    expect(dump.sysctls).toHaveProperty(['net.ipv4.ip_forward']);
    expect(dump.rules).toHaveLength(1);
  });

  it('goes on when a namespace vanishes, or a file is none', async () => {
    writeFileSync(join(namespaces, 'leftover'), '');
    namespace('1-mou30nzwns', '10.0.1.1');
    const { err, code } = await collect(await fakeEngine({ node: 'node1' }));
    expect(code).toBe(0);
    expect(err()).toMatch(/note: \S*leftover is no namespace: /);
    expect(written()).toContain('node1.ns.1-mou30nzwns.txt');
    expect(written()).not.toContain('node1.ns.leftover.txt');
    const notes: string[] = [];
    const gone = { name: 'gone', file: join(namespaces, 'gone') };
    expect(await dumpOf(gone)).toEqual({ text: null, notes: ['the namespace gone vanished while it was collected'] });
    expect(placesIn(join(folder, 'nowhere'), notes)).toEqual([{ name: 'host', file: null }]);
    expect(notes).toEqual([expect.stringContaining('Docker has no namespaces on this host')]);
  });

  it('says when the node changed meanwhile', async () => {
    let asked = 0;
    const host = await fakeEngine({ node: 'node1', answer: (path) => (path === '/networks' && ++asked > 1 ? { status: 200, body: '[]' } : undefined) });
    expect((await collect(host)).err()).toContain('the networks of the node changed while they were collected');
  });

  it('takes a name for the node, and answers programs', async () => {
    const { out } = await collect(await fakeEngine({ node: 'node1' }), '--node', 'xkphy0pdrmfwnlms5hwzb3j0a', '--json');
    expect(JSON.parse(out())).toMatchObject({ node: 'xkphy0pdrmfwnlms5hwzb3j0a', manager: true, files: expect.arrayContaining(['services.json']) });
    expect(readSwarm(readCollection('out', folder)).swarm.nodes.find(({ role }) => role === 'manager')?.balancers).toHaveLength(2);
    expect((await collect(`unix://${join(folder, 'node1.sock')}`, '--node', '../x')).err()).toContain('cannot be part of the name of a file');
  });

  it('fails with what to do, and writes nothing, when Docker does not answer as it should', async () => {
    const refused = async (host: string): Promise<readonly [number, string]> => {
      const { code, err } = await collect(host);
      return [code, err()];
    };
    expect(await refused('tcp://10.0.0.1:2375')).toEqual([2, expect.stringContaining('"tcp://10.0.0.1:2375" is no socket of this host')]);
    expect(await refused(`unix://${join(folder, 'none.sock')}`)).toEqual([
      1,
      expect.stringMatching(/Docker does not answer at unix:.*ENOENT.*\n {2}fix: Run it as root/),
    ]);
    expect(await refused(await fakeEngine({ node: 'node1', active: false }))).toEqual([1, expect.stringContaining('is in no swarm')]);
    engine?.close();
    const busy = await fakeEngine({ node: 'node2', answer: (path) => (path === '/tasks' ? { status: 500, body: '{"message":"no leader"}' } : undefined) });
    expect(await refused(busy)).toEqual([1, expect.stringContaining('Docker refuses GET /tasks: no leader')]);
    engine?.close();
    const other = await fakeEngine({ node: 'node3', answer: () => ({ status: 200, body: '<html>' }) });
    expect(await refused(other)).toEqual([1, expect.stringContaining('is no Docker')]);
    expect(readdirSync(folder)).not.toContain('out');
  });
});

/** Path of a program of this machine. */
function found(program: string): string {
  for (const directory of (PATH ?? '').split(delimiter)) if (existsSync(join(directory, program))) return join(directory, program);
  throw new Error(`${program} is not here`);
}
