import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Lab, startLab } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startVisit, type Visit } from '../dashboard/browser.js';
import { labClient, shares } from '../lab-client.js';
import { until } from '../until.js';

/** The dashboard in a real browser, against real kernels: the main task of each page, without a reload. */
const root = fileURLToPath(new URL('../..', import.meta.url));

let directory: string;
let lab: Lab;
let visit: Visit;

const { call } = labClient(() => lab);

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/e2e-'));
  lab = await startLab({ directory });
  visit = await startVisit(`${lab.apiUrl}/clusters/${lab.cluster}/`);
});

afterAll(async () => {
  await visit?.close();
  await lab?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const schedulers = async (): Promise<string[]> => {
  const { services = [] } = await call<{ services?: { scheduler: string }[] }>('/manifest');
  return services.map(({ scheduler }) => scheduler);
};

/** Part of a second in which the page had something to do: all of it when it is drawn without end. */
async function busyShare(page: Visit['page']): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  const read = async (name: string): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find((metric) => metric.name === name)?.value ?? Number.NaN;
  };
  const [start, busy] = [await read('Timestamp'), await read('TaskDuration')];
  await page.waitForTimeout(1000);
  const share = ((await read('TaskDuration')) - busy) / ((await read('Timestamp')) - start);
  await session.detach();
  return share;
}

/** What somebody does by hand who takes our marks for left over, with the tool that the node's agent uses. */
async function flushMarks(node: string, space: string, chain: string): Promise<void> {
  const { nodes } = await call<{ nodes: { name: string; facts: Record<string, string> }[] }>('/status');
  const iptables = nodes.find(({ name }) => name === node)?.facts['iptables-restore']?.replace('-restore', '') ?? 'iptables';
  const netns = `/run/portolan-lab/${node}/netns/${space}`;
  const { exitCode } = await lab.machineOf(node).run(['nsenter', `--net=${netns}`, '--', iptables, '-t', 'mangle', '-F', chain]);
  expect(exitCode).toBe(0);
}

describe('the chart', () => {
  it('shows ports, services, networks and hosts; choosing one shows what it is joined to, in the address', async () => {
    const { page } = visit;
    await visit.open('chart');
    for (const name of ['port :8000', 'service bjdt_bjdt-dzwl-web, 2 of 2 serve', 'network bjdt_overlay', 'host node3, up to date']) {
      await page.getByLabel(name).first().waitFor();
    }
    await visit.picture('chart');
    await page.getByLabel('host node3, up to date').click();
    await page.waitForURL(/about=node%3Anode3/);
    await page.getByLabel('service bjdt_bjdt-dzwl, 3 of 3 serve').waitFor();
    expect(await page.getByLabel(/^host node1/).count()).toBe(0);
    await page.getByRole('link', { name: 'Open node3' }).click();
    await page.getByRole('heading', { name: 'node3', exact: true }).waitFor();
  });
});

describe('a node', () => {
  it('has its namespaces, and in that of the load balancer what the study shows, as wanted', async () => {
    const { page } = visit;
    await visit.open('nodes');
    await page.getByRole('link', { name: 'node1', exact: true }).waitFor();
    await visit.picture('nodes');
    await page.getByRole('button', { name: 'Node', exact: true }).click();
    await page.waitForURL(/nodes\?sort=name$/);
    expect(await busyShare(page)).toBeLessThan(0.7);
    await page.getByRole('link', { name: 'node1', exact: true }).click();
    const drawing = page.getByRole('region', { name: 'Drawing of the namespaces' });
    for (const box of ['bjdt_bjdt-dzwl.1', 'bjdt_bjdt-dzwl-web.1', 'Overlay bjdt_overlay', 'Overlay ingress', 'Ingress sandbox', 'Host']) {
      await drawing.getByRole('button', { name: `${box}, as wanted`, exact: true }).waitFor();
    }
    for (const line of [
      'pair: veth-lb of Overlay bjdt_overlay to eth0 of Load balancer of bjdt_overlay, as wanted',
      'pair: eth1 of Ingress sandbox to ptl_ingress of Host, as wanted',
      'tunnel: vxlan0 of Overlay bjdt_overlay to eth1 of Host, as wanted',
    ]) {
      expect(await drawing.getByLabel(line, { exact: true }).count()).toBe(1);
    }
    await drawing.getByRole('button', { name: /^Load balancer of bjdt_overlay/ }).press('Enter');
    await page.waitForURL(/space=own%3Alb_5mckih8b5$/);
    await page.getByRole('cell', { name: 'eth0/10.0.0.20', exact: true }).waitFor();
    await page.getByRole('cell', { name: '329/10.0.0.6', exact: true }).waitFor();
    // Lines between namespaces are seen, in both schemes: their colour is there after the build.
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme });
      const strokes = await page.evaluate<string[]>("[...document.querySelectorAll('.react-flow__edge-path')].map((path) => getComputedStyle(path).stroke)");
      expect(strokes.length).toBeGreaterThan(4);
      expect(strokes.filter((stroke) => stroke === 'none' || stroke === '')).toEqual([]);
    }
    await visit.picture('node');
    expect(await page.getByText('Differences (0 on this node)').count()).toBe(1);
  });
});

describe('search', () => {
  it('finds by key what is typed, and goes there: a node, whose VIP that is, where a packet to an address goes', async () => {
    const { page } = visit;
    await visit.open('chart');
    await page.keyboard.press('/');
    await page.getByLabel('What to find').fill('node3');
    await page.getByRole('option', { name: /^node3/ }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'node3', exact: true }).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByLabel('What to find').fill('10.0.0.20');
    await page.getByRole('option', { name: '10.0.0.20 VIP of bjdt_bjdt-dzwl on bjdt_overlay' }).waitFor();
    await visit.picture('search');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.waitForURL(/explain\?to=10\.0\.0\.20$/);
    await page.getByRole('button', { name: 'Search everything' }).click();
    await page.keyboard.press('Escape');
    await page.getByLabel('What to find').waitFor({ state: 'detached' });
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).getByText('Search everything').waitFor();
    await page.keyboard.press('Escape');
  });
});

describe('an explanation', () => {
  it('of the mesh through the node without an endpoint is what is then sent for real', async () => {
    const { page } = visit;
    await visit.open('explain?from=outside&to=bjdt_bjdt-dzwl-web:8000/tcp&node=node3');
    await page.getByText(/^delivered to endpoint bjdt_bjdt-dzwl-web/).waitFor();
    await page.getByText('ingress sandbox').first().waitFor();
    // One after the other at once: none is lost.
    for (let presses = 0; presses < 2; presses += 1) await page.keyboard.press('ArrowRight');
    await page.waitForURL(/hop=2$/);
    await page.getByText('192.168.240.2:8000').first().waitFor();
    await page.getByText('As it was seen in the kernels: the same.').waitFor();
    expect(await page.getByText('parts here').count()).toBe(0);
    await visit.picture('explain');
    const web = { 'bjdt_bjdt-dzwl-web.1': 10, 'bjdt_bjdt-dzwl-web.2': 10 };
    expect(shares(await lab.request('machine', 'http://172.16.130.170:8000/', 20))).toEqual(web);
  });
});

describe('a plan', () => {
  it('is made of the manifest, looked at, rolled out node by node while it is watched, confirmed, and taken back', async () => {
    const { page } = visit;
    await visit.open('plans?new');
    const manifest = page.getByLabel('Manifest (YAML)');
    await until('the manifest is there', 20, async () => (await manifest.inputValue()).includes('scheduler: rr'));
    await manifest.fill((await manifest.inputValue()).replaceAll('scheduler: rr', 'scheduler: wrr'));
    await page.getByLabel('What for').fill('weighted round robin');
    await page.getByRole('button', { name: 'Show what it would do' }).click();
    await page.getByRole('heading', { name: 'weighted round robin' }).waitFor();
    await page.getByRole('button', { name: /^node1/ }).click();
    await page.getByText('scheduler is rr, not wrr').first().waitFor();
    await visit.picture('plan');
    expect(await schedulers()).toEqual(['rr', 'rr']);

    await page.getByLabel('Watch each for').fill('1');
    await page.getByLabel('Confirm within').fill('60');
    await page.getByRole('button', { name: 'Apply', exact: true }).click();
    await page.getByText('confirming', { exact: true }).waitFor({ timeout: 90_000 });
    await page.getByText('3 of 3 nodes').waitFor();
    await visit.picture('rollout');
    expect(await schedulers()).toEqual(['wrr', 'wrr']);

    await page.getByRole('button', { name: 'Roll back' }).click();
    await page.getByText('rolled-back', { exact: true }).waitFor({ timeout: 60_000 });
    await page.getByText(/revision \d+ applied/).waitFor({ timeout: 60_000 });
    expect(await schedulers()).toEqual(['rr', 'rr']);
  });

  it('is in the history, with what differs', async () => {
    const { page } = visit;
    await visit.open('history');
    await page.getByText('weighted round robin').first().waitFor();
    // What agents have seen is left out until it is asked for.
    expect(await page.getByText('agent:node1').count()).toBe(0);
    const [first, second] = await page.getByRole('checkbox').all();
    await first?.click();
    await second?.click();
    await page.getByRole('heading', { name: /^Revision \d+ → \d+$/ }).waitFor();
    await visit.picture('history');
    await page.getByText('Everything', { exact: true }).click();
    await page.waitForURL(/show=everything/);
    await page.getByText('agent:node1').first().waitFor();
    await page.getByText('Refused', { exact: true }).click();
    await page.getByText('Nobody has been turned away.').waitFor();
  });
});

describe('what a plan does to flows', () => {
  it('is told when it is opened, with the way to the explanation of each', async () => {
    const { page } = visit;
    const manifest = await call<{ endpoints?: { name: string; weight?: number }[] }>('/manifest');
    const endpoints = manifest.endpoints?.map((own) => (own.name === 'bjdt_bjdt-dzwl-web.2' ? { ...own, weight: 0 } : own));
    const { id } = await call<{ id: string }>('/changesets', 'POST', { manifest: { ...manifest, endpoints }, summary: 'one endpoint rests' });
    await visit.open(`plans/${id}`);
    await page.getByRole('button', { name: 'Flows that end, begin or move' }).click();
    await page.getByText(/^\d+ flows move$/).waitFor();
    expect(await page.getByText(/flows? (end|begin)s?$/).count()).toBe(0);
    const flow = page.getByRole('row', { name: /outside → bjdt_bjdt-dzwl-web:8000\/tcp through node3/ });
    expect(await flow.textContent()).toContain('loses bjdt_bjdt-dzwl-web.2');
    await visit.picture('plan-flows');
    await flow.getByRole('link').click();
    await page.getByText(/^delivered to endpoint bjdt_bjdt-dzwl-web/).waitFor();
    await call(`/changesets/${id}`, 'DELETE');
  });
});

describe('drift', () => {
  it('made by hand in a kernel appears and is mended before the eyes of whoever looks', async () => {
    const { page } = visit;
    await visit.open('drift');
    await page.getByText('Every kernel is as it was applied').waitFor();
    await flushMarks('node2', 'lb_5mckih8b5', 'INPUT');
    await page.getByRole('article', { name: /^missing mark\/own:lb_5mckih8b5\/input\/10\.0\.0\.20 on node2/ }).waitFor();
    await page
      .getByText(/^repaired after \d+ ms$/)
      .first()
      .waitFor();
    await visit.picture('drift');
    expect(Object.values(shares(await lab.request('bjdt_bjdt-dzwl-web.2', 'http://10.0.0.20:8080/', 6)))).toEqual([2, 2, 2]);
  });
});

describe('an explanation of what nobody mends', () => {
  const policy = (driftPolicy: 'report' | 'repair'): Promise<unknown> => call('?wait=applied', 'PATCH', { settings: { driftPolicy } });

  it('parts from what should be at the rule that was deleted by hand, until the agents may mend it', async () => {
    const { page } = visit;
    await policy('report');
    try {
      await visit.open('explain?from=outside&to=bjdt_bjdt-dzwl-web:8000/tcp&node=node3');
      await page.getByText('As it was seen in the kernels: the same.').waitFor();
      await flushMarks('node3', 'ingress_sbox', 'PREROUTING');
      const parting = page.getByRole('region', { name: 'Where they part' });
      await parting.getByRole('heading', { name: 'They part in ingress sandbox on node3' }).waitFor();
      const [decisive] = await parting.getByText('mark/own:ingress_sbox/').allTextContents();
      expect(decisive).toBe('mark/own:ingress_sbox/prerouting/tcp/8000');
      const request = page.getByRole('region', { name: 'The request' });
      const hopBehind = (lane: string) => request.getByRole('region', { name: lane }).locator('div:has(> div:text("parts here")) > button').textContent();
      expect(await hopBehind('As it should be')).toBe('rule');
      expect(await hopBehind('As it was seen')).toBe('drop');
      // Of both: the mark is on one packet, and not on the other.
      await page.getByRole('row', { name: /^As it should be .* 0x[0-9a-f]+ = \d+/ }).waitFor();
      expect(await page.getByRole('row', { name: /^As it was seen .* 0x/ }).count()).toBe(0);
      await visit.picture('explain-parted');
      expect((await lab.request('machine', 'http://172.16.130.170:8000/', 1)).answers).toEqual([]);
    } finally {
      await policy('repair');
    }
    await page.getByText('As it was seen in the kernels: the same.').waitFor();
    expect(shares(await lab.request('machine', 'http://172.16.130.170:8000/', 2))).toEqual({ 'bjdt_bjdt-dzwl-web.1': 1, 'bjdt_bjdt-dzwl-web.2': 1 });
  });
});

describe('a service', () => {
  it('has its endpoints, one of which is drained with its progress in sight', async () => {
    const { page } = visit;
    await visit.open('services');
    await page.getByRole('link', { name: 'bjdt_bjdt-dzwl', exact: true }).waitFor();
    await visit.picture('services');
    await page.getByRole('link', { name: 'bjdt_bjdt-dzwl', exact: true }).click();
    await page.getByText('0x149 = 329').waitFor();
    interface Counted {
      readonly connections: number;
      readonly backends: readonly { readonly connections: number }[];
    }
    const counted = () => call<Counted>('/services/bjdt_bjdt-dzwl/traffic');
    const before = await counted();
    await lab.request('bjdt_bjdt-dzwl-web.1', 'http://10.0.0.20:8080/', 30);
    const hasGrown = ({ backends }: Counted) => backends.every(({ connections }, i) => connections >= (before.backends[i]?.connections ?? 0) + 10);
    await until('the requests are counted by backend', 30, async () => hasGrown(await counted()));
    // The page asks now and then, and probes of rollouts are still being counted.
    await until('the page shows what is counted', 40, async () => {
      const { connections } = await counted();
      return (await page.getByText(new RegExp(`^${connections} requests`)).count()) === 1;
    });
    expect(await page.getByLabel('33 % of new connections by weight').count()).toBe(3);
    for (const node of ['node1', 'node2', 'node3'])
      await page.getByRole('row', { name: new RegExp(`^${node} as wanted lb_5mckih8b5 0x149.* 6 of 6`) }).waitFor();
    await visit.picture('service');
    await page
      .getByRole('row', { name: /bjdt_bjdt-dzwl\.3/ })
      .getByRole('button', { name: 'Drain' })
      .click();
    await page.getByRole('dialog').getByRole('button', { name: 'Drain', exact: true }).click();
    await page.getByText('drained: safe to stop').waitFor({ timeout: 60_000 });
    expect(shares(await lab.request('bjdt_bjdt-dzwl-web.1', 'http://10.0.0.20:8080/', 10))).toEqual({ 'bjdt_bjdt-dzwl.1': 5, 'bjdt_bjdt-dzwl.2': 5 });
  });
});

describe('jobs and pools', () => {
  it('tell what was done with every command, and what is used', async () => {
    const { page } = visit;
    await visit.open('jobs?status=applied&node=node1');
    await page.getByRole('link', { name: 'node1', exact: true }).first().waitFor();
    await visit.picture('jobs');
    await page.getByRole('row').nth(1).getByRole('link').first().click();
    await page.getByRole('heading', { name: 'Commands' }).waitFor();
    await visit.picture('job');
    await visit.open('pools');
    await page.getByRole('cell', { name: '10.0.0.0/24' }).waitFor();
    await visit.picture('pools');
  });
});

describe('a lost connection', () => {
  it('is shown, and recovered from', async () => {
    const { page } = visit;
    await lab.controlPlane.kill('SIGKILL');
    await page.getByText('connection lost', { exact: true }).waitFor();
    await lab.controlPlane.restart();
    await page.getByText('live', { exact: true }).waitFor({ timeout: 60_000 });
  });
});

it('has no faults in any script, but for what was asked of a control plane that was killed', () => {
  expect(visit.faults.filter((fault) => !/WebSocket|ERR_|Failed to load resource/.test(fault))).toEqual([]);
});
