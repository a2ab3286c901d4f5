import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runPortolan } from '../src/cli.js';
import { screen } from './screen.js';

/** Real swarms in which the ingress sandbox of each node was the first on docker_gwbridge; of others its address is not kept, and a note says so. */
const captures = ['capture', 'running', 'scaled', 'drained', 'back', 'attached', 'idle'];
const nodes = ['node1', 'node2', 'node3'];
const fixtures = fileURLToPath(new URL('../../../packages/swarm/test/fixtures', import.meta.url));
let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'portolan-compile-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

async function portolan(...argv: readonly string[]): Promise<string> {
  const shown = screen({ directory });
  const code = await runPortolan([...argv], shown);
  return `${code === 0 ? '' : `exit ${code} ${shown.err()}`}${shown.out()}`;
}

/** The capture as a directory below the test's own. */
function unpacked(name: string): string {
  const to = join(directory, name);
  if (existsSync(join(fixtures, name))) cpSync(join(fixtures, name), to, { recursive: true });
  else {
    mkdirSync(to);
    execFileSync('tar', ['-xzf', join(fixtures, `${name}.tar.gz`), '-C', to]);
  }
  return to;
}

/**
 * The lines of a dump that Docker decides, read by nothing of ours: addresses, ways out, peers, rules and servers, in the order of the alphabet. Marks are
 * named by the VIP that gets them; ports of the resolver are drawn at random; docker0 and the underlay are not Swarm's, and Docker leaves some jumps twice.
 */
function decided(text: string): readonly string[] {
  const vips = new Map(
    [...text.matchAll(/^-A INPUT -d (\S+) -j MARK --set-xmark 0x([0-9a-f]+)/gm)].map(([, vip, mark]) => [Number.parseInt(mark ?? '', 16), vip]),
  );
  const named = (mark: number): string => `<mark of ${vips.get(mark)}>`;
  const lines = text.split('\n').flatMap((raw): readonly string[] => {
    const line = raw.trim();
    if (/docker0|172\.17\.|172\.16\.130\.\d+\/24/.test(line)) return [];
    const [, address] = /^inet (\S+) .*scope global/.exec(line) ?? [];
    if (address !== undefined) return [`inet ${address}`];
    if (/^default via 172\.18\./.test(line)) return [line.replace(/ dev \S+/, '')];
    if (/PERMANENT$/.test(line)) return [line];
    if (/ dst \S+ .*self permanent/.test(line)) return [line.replace(/ link-netnsid \d+/, '')];
    if (/^-[Aa] -f/.test(line)) return [line.replace(/-f (\d+)/, (_, mark: string) => `-f ${named(Number(mark))}`)];
    if (!/^-A /.test(line)) return [];
    return [
      line.replace(/0x([0-9a-f]+)\/0xffffffff/, (_, mark: string) => named(Number.parseInt(mark, 16))).replace(/(127\.0\.0\.11:|--sport )[0-9]{5}/, '$1PORT'),
    ];
  });
  return [...new Set(lines)].sort();
}

describe.each(captures)('the manifest of the swarm %s, compiled as Docker would', (name) => {
  let original = '';
  beforeAll(async () => {
    original = unpacked(name);
    expect(await portolan('swarm', 'import', original, '--file', `${name}.yaml`)).toBe('');
    mkdirSync(join(directory, `${name}-compiled`));
    for (const node of nodes) {
      await portolan('compile', '-f', `${name}.yaml`, '--node', node, '--profile', 'docker', '--format', 'dump', '--directory', `${name}-compiled`);
    }
    for (const file of readdirSync(original)) if (file.endsWith('.json')) cpSync(join(original, file), join(directory, `${name}-compiled`, file));
  }, 60_000);

  it('has every namespace, and in each what the swarm has', () => {
    const compiled = join(directory, `${name}-compiled`);
    const files = readdirSync(original).filter((file) => file.endsWith('.txt') && !readFileSync(join(original, file), 'utf8').includes('reassociate'));
    expect(readdirSync(compiled).filter((file) => file.endsWith('.txt'))).toEqual(files);
    for (const file of files) {
      expect({ file, lines: decided(readFileSync(join(compiled, file), 'utf8')) }).toEqual({
        file,
        lines: decided(readFileSync(join(original, file), 'utf8')),
      });
    }
  });

  it('is what the audit of that swarm asks for', async () => {
    expect(await portolan('swarm', 'audit', `${name}-compiled`, '--json')).toBe('[]\n');
  });
});
