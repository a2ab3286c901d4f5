import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runLab } from '../src/commands/lab.js';

const folder = mkdtempSync(join(tmpdir(), 'portolan-lab-'));
const program = join(folder, 'lab.mjs');
writeFileSync(program, 'process.exit(process.argv.slice(2).join(" ") === "--down --hosts 5" ? 7 : 8);');
afterAll(() => rmSync(folder, { recursive: true }));

describe('portolan lab', () => {
  it('passes its arguments on and ends as the lab ends', async () => {
    expect(await runLab(['--down', '--hosts', '5'], program)).toBe(7);
  });

  it('says where the lab is when it is not here', async () => {
    await expect(runLab([], join(folder, 'nothing.js'))).rejects.toMatchObject({ exitCode: 1, fix: expect.stringContaining('npm run lab') as unknown });
  });
});
