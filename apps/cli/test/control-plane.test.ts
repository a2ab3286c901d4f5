import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runPortolan } from '../src/cli.js';
import { type RealPlane, root, startRealPlane } from './real-plane.js';
import { screen } from './screen.js';

let plane: RealPlane;
let portolan: RealPlane['portolan'];
let succeed: RealPlane['succeed'];
let whileApplied: RealPlane['whileApplied'];

beforeAll(async () => {
  plane = await startRealPlane();
  ({ portolan, succeed, whileApplied } = plane);
});
afterAll(() => plane.stop());

describe('the study’s stack', () => {
  const nodes = ['node1', 'node2', 'node3'];

  it('asks for a cluster first', async () => {
    expect(await portolan('get nodes')).toMatchObject({ exitCode: 1, err: expect.stringContaining('portolan cluster create NAME') as unknown });
    expect(await succeed('cluster create bjdt')).toBe('created cluster bjdt\n');
    expect(await portolan('cluster create bjdt')).toMatchObject({ exitCode: 1, err: expect.stringContaining('[duplicate-name]') as unknown });
    expect(await succeed('get nodes')).toBe('no nodes\n');
  });

  it('is shown by a dry run, and then applied', async () => {
    const dry = await succeed('apply -f examples/bjdt.yaml --dry-run');
    expect(dry).toContain('dry run: 12 to create; nothing was changed');
    expect(await succeed('apply -f examples/bjdt.yaml')).toContain('revision 1: 12 created');
    expect(await succeed('apply -f examples/bjdt.yaml')).toBe('nothing to change: the cluster is as the manifest says, at revision 1\n');
  });

  it('is listed in tables', async () => {
    expect(await succeed('get nodes')).toMatch(
      /^NAME +ROLE +AVAILABILITY +ADDRESS +CONDITION +AGENT +APPLIED +DEGRADED\nnode1 +manager +active +172\.16\.130\.140 +unknown +down +0 +-\n/,
    );
    expect(await succeed('get no node2')).toMatch(/\nnode2 .*\n$/);
    expect(await succeed('get networks')).toMatch(/\nbjdt_overlay +10\.0\.0\.0\/24 +10\.0\.0\.1 +4097 +1450 +11\/254 +-\n/);
    const services = await succeed('get svc');
    expect(services).toMatch(/bjdt_bjdt-dzwl +vip +10\.0\.0\.20 \(bjdt_overlay, mark 329\), 10\.255\.0\.41 \(ingress, mark \d+\) +8080->8080\/tcp +rr\n/);
    expect((await succeed('get endpoints --service bjdt_bjdt-dzwl-web')).trimEnd().split('\n')).toHaveLength(3);
    expect(await succeed('get endpoints')).toMatch(/PRESENCE +HEALTH +TRAFFIC\n.* unknown +unknown +nothing\n/);
    expect(await succeed('get clusters')).toMatch(/\nbjdt +1\n$/);
    const pools = await succeed('pools');
    expect(pools).toMatch(/^POOL +NAME +RANGE +SIZE +USED +RETIRED +FREE +USED BY\n/);
    expect(pools).toMatch(/\naddresses +bjdt_overlay +10\.0\.0\.0\/24 +254 +11 +0 +243 +1 gateway, 2 vip, 3 load-balancer, 5 endpoint\n/);
  });

  it.each([
    ['get nodes ', 'node1\nnode2\nnode3\n'],
    ['describe svc bjdt_bjdt-dzwl-', 'bjdt_bjdt-dzwl-web\n'],
    ['node state node3', 'node3\n'],
    ['delete endpoint bjdt_bjdt-dzwl-web.', 'bjdt_bjdt-dzwl-web.1\nbjdt_bjdt-dzwl-web.2\n'],
    ['drain bjdt_bjdt-dzwl-web.', 'bjdt_bjdt-dzwl-web.1\nbjdt_bjdt-dzwl-web.2\n'],
    ['endpoint attach --service s --node ', 'node1\nnode2\nnode3\n'],
    ['get endpoints -c ', 'bjdt\n'],
    ['get nodes --url http://127.0.0.1:9 --node x', ''],
  ])('completes names after %j', async (words, names) => {
    expect(await succeed(`--get-yargs-completions portolan ${words}`)).toBe(names);
  });

  it('is read by programs', async () => {
    expect(JSON.parse(await succeed('get endpoints --json'))).toHaveLength(5);
    expect(JSON.parse(await succeed('get node node1 --json'))).toMatchObject({ name: 'node1', address: '172.16.130.140' });
    expect(parse(await succeed('describe service bjdt_bjdt-dzwl'))).toMatchObject({ networks: [{ vip: '10.0.0.20', mark: 329 }, {}] });
    expect(parse(await succeed('get network ingress -o yaml'))).toMatchObject({ vni: 4096 });
    expect(parse(await succeed('get manifest'))).toMatchObject({ nodes: [{}, {}, {}] });
  });

  it('is waited for', async () => {
    expect(await portolan('wait --timeout 0.2')).toMatchObject({ exitCode: 4, err: expect.stringContaining('3 of 3 nodes have not applied it') as unknown });
    expect(await whileApplied('bjdt', nodes, portolan('wait --revision 1 --timeout 20'))).toMatchObject({
      exitCode: 0,
      out: 'revision 1 is applied on every node\n',
    });
    expect(await succeed('status')).toMatch(/^cluster bjdt: revision 1, computed 1, applied 1\n\nNODE/);
  });

  it('shows what a node is meant to have, what it has, and that they are equal', async () => {
    const state = await succeed('node state node1');
    expect(state).toMatch(/\nvirtual-server +own:lb_5mckih8b5 +329 +load-balancer, service bjdt_bjdt-dzwl, network bjdt_overlay\n/);
    expect(state).toMatch(/\nport-redirect +endpoint:bjdt_bjdt-dzwl-web\.1 +10\.255\.0\.\d+\/tcp\/8000 /);
    expect(state).toMatch(/\n\d+ objects, generation \d+, from revision 1\n$/);
    expect(await succeed('node state node1 --observed')).toMatch(/\nvirtual-server +own:lb_5mckih8b5 +329 +[0-9a-f]{16}\n/);
    expect(await succeed('node state node1 --drift')).toBe('no drift: the kernel of node1 is as computed\n');
    expect(await portolan('node state nowhere')).toMatchObject({ exitCode: 1, err: expect.stringContaining('[not-found]') as unknown });
  });

  it('lists jobs and revisions, and shows one job', async () => {
    const jobs = JSON.parse(await succeed('jobs --node node1 --json')) as { id: string }[];
    expect(jobs.length).toBeGreaterThan(0);
    expect(await succeed(`jobs show ${jobs[0]?.id}`)).toMatch(/plan against the last report: \d+ steps\nACTION +OBJECT +REASON\ncreate /);
    expect(await succeed('jobs --limit 2')).toMatch(/^ID +NODE +STATUS .*\n.*\n.*\n$/);
    expect(await succeed('jobs --status failed')).toBe('no jobs\n');
    expect(await succeed('revisions')).toMatch(/REVISION.*\n +1 .* rest +127\.0\.0\.1 +apply manifest +12\n$/);
  });

  it('takes endpoints in and out', async () => {
    const attached = await whileApplied('bjdt', nodes, portolan('endpoint attach --service bjdt_bjdt-dzwl-web --node node3 --container web-3 --wait'));
    expect(attached).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^attached web-3 to bjdt_bjdt-dzwl-web on node3: .*, revision 2\n$/) as unknown });
    expect(attached.err).toBe('');
    expect(await portolan('endpoint attach --service bjdt_bjdt-dzwl-web --node node3 --container web-3')).toMatchObject({ exitCode: 1 });
    expect(await succeed('endpoint detach web-3')).toBe('deleted endpoint web-3, revision 3\n');
    expect(await succeed('delete endpoint bjdt_bjdt-dzwl-web.1')).toBe('deleted endpoint bjdt_bjdt-dzwl-web.1, revision 4\n');
    expect(await portolan('delete network bjdt_overlay')).toMatchObject({ exitCode: 1, err: expect.stringContaining('[in-use]') as unknown });
    const late = portolan('endpoint attach --service bjdt_bjdt-dzwl-web --node node3 --netns /run/netns/late --wait');
    const waits = await whileApplied('bjdt', nodes, late, (key) => key.includes('/endpoint:'));
    expect(waits).toMatchObject({ exitCode: 0, err: 'node3 does not see the namespace /run/netns/late yet: late gets requests as soon as it is there\n' });
  });

  it('lets endpoints leave without a loss', async () => {
    const name = 'bjdt_bjdt-dzwl.1';
    const reported = (words: string, connections: number) => whileApplied('bjdt', nodes, portolan(words), () => false, connections);
    await expect.poll(async () => (await reported(`get endpoint ${name}`, 0)).out, { timeout: 5000 }).toMatch(/ present +unknown +all\n$/);
    const late = await reported(`drain ${name} --seconds 600 --wait --timeout 1.5`, 2);
    expect(late).toMatchObject({ exitCode: 4, out: '' });
    expect(late.err).toMatch(/^error: bjdt_bjdt-dzwl\.1 is not drained within 1\.5 s: .*\n {2}fix: The drain goes on\. .* portolan describe endpoint NAME\n$/);
    await expect.poll(async () => (await reported(`get endpoint ${name}`, 2)).out, { timeout: 5000 }).toMatch(/ established, draining \(2 connections\)\n$/);
    expect(await succeed(`drain ${name}`)).toMatch(/^bjdt_bjdt-dzwl\.1 gets no new requests; connections may last until 20.*Z\n$/);
    const cancelled = await reported(`drain ${name} --cancel --wait`, 0);
    expect(cancelled).toMatchObject({ exitCode: 0, out: expect.stringMatching(/^bjdt_bjdt-dzwl\.1 takes part again, revision \d+\n$/) as unknown });
    expect(await reported(`drain ${name} --wait`, 0)).toMatchObject({ exitCode: 0, out: `${name} is drained: it is safe to stop it\n` });
    expect(await succeed(`get endpoint ${name}`)).toMatch(/ established, drained\n$/);
    expect(await portolan(`drain ${name} --cancel --remove`)).toMatchObject({ exitCode: 2, err: expect.stringContaining('--cancel takes neither') as unknown });

    const leaves = 'bjdt_bjdt-dzwl.2';
    expect(await succeed(`delete endpoint ${leaves}`)).toMatch(/^draining endpoint bjdt_bjdt-dzwl\.2, which is deleted when it is drained, revision \d+\n$/);
    expect(await reported(`delete endpoint ${leaves} --wait`, 0)).toMatchObject({
      exitCode: 0,
      out: expect.stringMatching(/^deleted endpoint bjdt_bjdt-dzwl\.2/) as unknown,
    });
    expect(await portolan(`get endpoint ${leaves}`)).toMatchObject({ exitCode: 1 });
    expect(await succeed('endpoint detach bjdt_bjdt-dzwl.3 --force')).toMatch(/^deleted endpoint bjdt_bjdt-dzwl\.3, revision \d+\n$/);
    expect(await portolan(`delete endpoint ${name} --wait soon`)).toMatchObject({
      exitCode: 2,
      err: expect.stringContaining('neither drained nor applied') as unknown,
    });
    expect(await portolan('delete node node1 --force')).toMatchObject({ exitCode: 2, err: expect.stringContaining('only endpoints are drained') as unknown });
    expect(await succeed('findings')).toMatch(/^(nothing found\n|warn: )/);
  });

  it('goes with its cluster', async () => {
    expect(await succeed('cluster delete bjdt')).toBe('deleted cluster bjdt\n');
    expect(await succeed('get clusters')).toBe('no clusters\n');
  });
});

describe('a manifest with a fault', () => {
  it('is refused with the line of each fault, and nothing is changed', async () => {
    await succeed('cluster create faults');
    const text = `nodes:
  - { name: a, address: 192.0.2.1 }
networks:
  - { name: ingress, ingress: true }
services:
  - name: web
    colour: red
    ports:
      - { target: 70000 }
`;
    const terminal = screen({ environment: { PORTOLAN_URL: plane.url, PORTOLAN_CLUSTER: 'faults' }, readStandardInput: () => Promise.resolve(text) });
    expect(await runPortolan(['apply', '-f', '-'], terminal)).toBe(1);
    expect(terminal.err()).toContain('[unknown-field]\n  at standard input:7:13\n  7 |     colour: red\n');
    expect(terminal.err()).toContain('  9 |       - { target: 70000 }\n');
    expect(await succeed('get nodes', 'faults')).toBe('no nodes\n');
  });
});

describe('the examples', () => {
  it('apply one after the other to an empty cluster', async () => {
    await succeed('cluster create examples');
    const files = ['two-hosts.yaml', 'weights.yaml', 'settings.yaml', 'data-plane.yaml'];
    expect(readdirSync(`${root}/examples`).filter((name) => name.endsWith('.yaml'))).toEqual(['bjdt.yaml', 'flannel.yaml', ...files].sort());
    for (const file of files) expect(await succeed(`apply -f examples/${file}`, 'examples')).toMatch(/^CHANGE/);
    await succeed('cluster create flannel');
    expect(await succeed('apply -f examples/flannel.yaml', 'flannel')).toMatch(/^CHANGE/);
  });
});
