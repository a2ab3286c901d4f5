import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Where pictures go; nowhere unless `PORTOLAN_SCREENSHOTS` is set (`npm run screenshots`). */
const pictures = process.env.PORTOLAN_SCREENSHOTS === undefined ? undefined : fileURLToPath(new URL('../../docs/screenshots', import.meta.url));

/** Debian's, which is the only one that tests use. */
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** A browser with one page, as an operator has it before them. */
export interface Visit {
  readonly page: Page;
  /** Errors of the page's scripts and consoles, and requests that were refused. */
  readonly faults: readonly string[];
  /** The page of an address below the cluster's, such as `chart?by=node`. */
  open(path: string): Promise<void>;
  /** Pictures of what is seen, light and dark, as NAME-light.png and NAME-dark.png. */
  picture(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Starts a browser; `baseUrl` is that of the cluster's pages, ending with a slash. */
export async function startVisit(baseUrl: string): Promise<Visit> {
  // As root it cannot have a sandbox of its own; it sees nothing but our pages.
  const browser: Browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: 'light', reducedMotion: 'reduce' });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  page.setDefaultTimeout(20_000);
  return {
    page,
    faults,
    async open(path) {
      await page.goto(new URL(path, baseUrl).href);
      await page.getByText('live', { exact: true }).waitFor();
    },
    async picture(name) {
      if (pictures === undefined) return;
      mkdirSync(pictures, { recursive: true });
      for (const scheme of ['dark', 'light'] as const) {
        await page.emulateMedia({ colorScheme: scheme });
        await page.waitForTimeout(300);
        await page.screenshot({ path: join(pictures, `${name}-${scheme}.png`) });
      }
    },
    async close() {
      await browser.close();
    },
  };
}
