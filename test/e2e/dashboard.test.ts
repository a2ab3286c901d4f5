import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Lab, startLab } from '@portolan/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startVisit, type Visit } from '../dashboard/browser.js';
import { labClient } from '../lab-client.js';
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
});

it('has no faults in any script', () => {
  expect(visit.faults).toEqual([]);
});
