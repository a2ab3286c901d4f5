import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

/** The command as a process of its own: completion is read from its standard output by a shell. */
function portolan(words: readonly string[], shell = '/bin/bash') {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--conditions=source', main, ...words], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, SHELL: shell, PORTOLAN_URL: 'http://127.0.0.1:9' },
  });
  return { status, stdout, stderr };
}

describe('completion', () => {
  it.each([
    ['/bin/bash', 'complete -o bashdefault'],
    ['/bin/zsh', '#compdef portolan'],
  ])('prints a script for %s', (shell, line) => {
    const { status, stdout } = portolan(['completion'], shell);
    expect(status).toBe(0);
    expect(stdout).toContain(line);
  });

  it.each([
    [
      ['portolan', ''],
      ['apply', 'get', 'describe', 'delete', 'status', 'wait', 'node', 'jobs', 'endpoint', 'cluster', 'lab', 'plan', 'history', 'drift', 'token', 'agent'],
    ],
    [
      ['portolan', 'get', 'se'],
      ['service', 'services'],
    ],
    [
      ['portolan', 'endpoint', ''],
      ['attach', 'detach'],
    ],
    [
      ['portolan', 'endpoint', 'attach', '--'],
      ['--service', '--node', '--netns', '--pid', '--container'],
    ],
  ])('of %j knows %j', (words, expected) => {
    const { status, stdout } = portolan(['--get-yargs-completions', ...words]);
    expect(status).toBe(0);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(expected));
  });
});

describe('the process', () => {
  it('ends with the exit code of the command', () => {
    expect(portolan(['frobnicate'])).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('frobnicate') as unknown });
    expect(portolan(['get', 'nodes'])).toMatchObject({ status: 3, stdout: '' });
    expect(portolan(['--help'])).toMatchObject({ status: 0, stderr: '' });
  });
});
