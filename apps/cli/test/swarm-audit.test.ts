import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { screen } from './screen.js';

const capture = fileURLToPath(new URL('../../../packages/swarm/test/fixtures/capture', import.meta.url));
const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true });
});

/** The capture with a text in one of its files replaced. */
function broken(file: string, from: string, to: string): string {
  const path = mkdtempSync(join(tmpdir(), 'portolan-audit-'));
  made.push(path);
  cpSync(capture, path, { recursive: true });
  writeFileSync(join(path, file), readFileSync(join(path, file), 'utf8').replace(from, to));
  return path;
}
const stale = (): string => broken('node2.ns.lb_mou30nzwn.txt', '\n# sysctl', '\n-a -f 258 -r 10.0.1.99:0 -m -w 1\n# sysctl');

describe('portolan swarm audit', () => {
  it('exits with 0 and says that nothing differs in a healthy swarm', async () => {
    const terminal = screen();
    expect(await runPortolan(['swarm', 'audit', capture], terminal)).toBe(0);
    expect(terminal.out()).toBe('nothing differs: 3 nodes as Docker should have programmed them\n');
    const json = screen();
    expect(await runPortolan(['swarm', 'audit', capture, '--json'], json)).toBe(0);
    expect(json.out()).toBe('[]\n');
  });

  it('tells a finding with what users see and what mends it, and exits with 1', async () => {
    const terminal = screen();
    expect(await runPortolan(['swarm', 'audit', stale()], terminal)).toBe(1);
    expect(terminal.out()).toMatchInlineSnapshot(`
      "node2
        lb_mou30nzwn
          error    real-server 10.0.1.99 of api (10.0.1.2) unexpected
                   one in four requests to api (10.0.1.2) from tasks on node2 hangs: 10.0.1.99 is nobody's
                   found     -a -f 258 -r 10.0.1.99:0 -m -w 1
                   repair    nsenter --net=/var/run/docker/netns/lb_mou30nzwn ipvsadm -d -f 258 -r 10.0.1.99:0

      1 error on 3 nodes
      "
    `);
    expect(terminal.err()).toBe('');
  });

  it.each([['--json'], ['-o', 'json'], ['--output=json']])('answers programs with a list: %s', async (...options) => {
    const terminal = screen();
    expect(await runPortolan(['swarm', 'audit', stale(), ...options], terminal)).toBe(1);
    expect(JSON.parse(terminal.out())).toMatchObject([{ severity: 'error', node: 'node2', namespace: 'lb_mou30nzwn', kind: 'unexpected', expected: null }]);
    expect(terminal.err()).toBe('');
  });

  it('refuses a directory that is none, and names it', async () => {
    const terminal = screen();
    expect(await runPortolan(['swarm', 'audit', '/nowhere'], terminal)).toBe(2);
    expect(terminal.err()).toContain('/nowhere');
    expect(await runPortolan(['swarm', 'audit'], screen())).toBe(2);
  });
});
