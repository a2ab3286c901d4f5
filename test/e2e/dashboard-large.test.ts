import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { largeManifest } from '@portolan/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startVisit, type Visit } from '../dashboard/browser.js';
import { type Plane, startPlane } from '../plane.js';
import { until } from '../until.js';

/** The dashboard of a cluster of 1,000 hosts and 500 services in a real browser: everything is drawn soon, found, and followed. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const SIZE = { nodes: 1000, networks: 20, services: 500, endpointsPerService: 4, publishedServices: 100 };

let directory: string;
let plane: Plane;
let visit: Visit;

beforeAll(async () => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  directory = mkdtempSync(join(root, '.portolan/e2e-'));
  plane = await startPlane(directory);
  await plane.call('/v1/clusters', 'POST', { name: 'large' });
  await plane.call('/v1/clusters/large/manifest', 'PUT', largeManifest(SIZE));
  visit = await startVisit(`${plane.url}/clusters/large/`);
});

afterAll(async () => {
  await visit?.close();
  await plane?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('a chart of 1,000 hosts', () => {
  it('is drawn in groups that one can read, within seconds', async () => {
    const { page } = visit;
    const start = performance.now();
    await visit.open('chart');
    await page.getByText('node1 to node100', { exact: true }).waitFor();
    console.log(`drawn within ${Math.round(performance.now() - start)} ms`);
    await page.getByText('services of overlay1', { exact: true }).waitFor();
    expect(await page.getByText('100 hosts').count()).toBe(10);
    expect(await page.getByText('25 services').count()).toBe(20);
  });

  it('is read by networks as well, and a group of it opened', async () => {
    const { page } = visit;
    const start = performance.now();
    await page.getByText('By network', { exact: true }).click();
    await page.waitForURL(/by=network/);
    await page.getByText('node901 to node1000', { exact: true }).waitFor();
    await page.getByText('services of overlay7', { exact: true }).click();
    await page.waitForURL(/about=services%3Aoverlay7/);
    await page.getByText('service7', { exact: true }).waitFor();
    console.log(`by network, and a group opened, within ${Math.round(performance.now() - start)} ms`);
    expect(await page.locator('[aria-label^="service service"]').count()).toBe(25);
    await page.keyboard.press('Escape');
    await page.getByText('services of overlay8', { exact: true }).waitFor();
  });
});

describe('a list of 1,000 hosts', () => {
  it('has few of them in the page, and the last one at its end', async () => {
    const { page } = visit;
    await visit.open('nodes');
    await page.getByRole('link', { name: 'node1', exact: true }).waitFor();
    expect(await page.getByRole('row').count()).toBeLessThan(100);
    // The heading is a row, too.
    const last = page.locator(`tr[aria-rowindex="${SIZE.nodes + 1}"]`);
    expect(await last.count()).toBe(0);
    await page.getByRole('link', { name: 'node1', exact: true }).hover();
    await until('the last row is there', 10, async () => {
      await page.mouse.wheel(0, 20_000);
      return (await last.count()) === 1;
    });
    expect(await page.getByRole('row').count()).toBeLessThan(100);
  });

  it('is searched, together with everything else, by what one types', async () => {
    const { page } = visit;
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').getByRole('textbox').fill('node777');
    await page
      .getByRole('option', { name: /node777/ })
      .first()
      .waitFor();
    await page.keyboard.press('Enter');
    await page.waitForURL(/nodes\/node777/);
    await page.getByRole('heading', { name: 'node777', exact: true }).waitFor();
  });
});

it('has no faults in any script', () => {
  expect(visit.faults).toEqual([]);
});
