import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { chooseTarget } from '../src/target.js';
import { screen } from './screen.js';

const folder = mkdtempSync(join(tmpdir(), 'portolan-target-'));
const deep = join(folder, 'a', 'b');
mkdirSync(join(folder, '.portolan'));
mkdirSync(deep, { recursive: true });
writeFileSync(join(folder, '.portolan', 'lab.json'), JSON.stringify({ apiUrl: 'http://127.0.0.1:1234/', cluster: 'lab' }));
afterAll(() => rmSync(folder, { recursive: true }));

const nothing = { url: undefined, cluster: undefined, token: undefined, ca: undefined };
const environment = { PORTOLAN_URL: 'http://env:1/', PORTOLAN_CLUSTER: 'c-env', PORTOLAN_TOKEN: 't-env' };

describe('the target', () => {
  it('is the default where nothing is said', () => {
    expect(chooseTarget(nothing, screen())).toEqual({ url: 'http://127.0.0.1:7080', source: 'default', cluster: undefined, token: undefined });
  });

  it('is the running lab, from a folder below too', () => {
    expect(chooseTarget(nothing, screen({ directory: deep }))).toMatchObject({ url: 'http://127.0.0.1:1234', source: 'lab', cluster: 'lab' });
    expect(chooseTarget({ ...nothing, cluster: 'mine' }, screen({ directory: deep }))).toMatchObject({ source: 'lab', cluster: 'mine' });
  });

  it('is what the environment says before the lab, and never a mixture of the two', () => {
    expect(chooseTarget(nothing, screen({ directory: deep, environment }))).toEqual({
      url: 'http://env:1',
      source: 'environment',
      cluster: 'c-env',
      token: 't-env',
    });
    expect(chooseTarget(nothing, screen({ directory: deep, environment: { PORTOLAN_URL: 'http://env:1' } })).cluster).toBeUndefined();
  });

  it('is what the options say before everything', () => {
    const options = { url: 'http://opt:2', cluster: 'c-opt', token: 't-opt', ca: undefined };
    expect(chooseTarget(options, screen({ directory: deep, environment }))).toEqual({
      url: 'http://opt:2',
      source: 'option',
      cluster: 'c-opt',
      token: 't-opt',
    });
  });
});
