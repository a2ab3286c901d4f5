import { kernelObject } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { memoryOfNames } from '../src/names.js';

const origin = { computedBy: 'dns' } as const;
const web = kernelObject('host', { kind: 'dns-name', network: 'app', name: 'web', addresses: ['10.0.0.2'] }, origin);
const client = kernelObject('endpoint:a', { kind: 'dns-client', port: 11053, networks: ['app'], forwards: true }, origin);
const set = ({ key, body }: typeof web | typeof client) => `set ${key} ${JSON.stringify(body)}\n`;
const found = { a: { path: '/a', incarnation: '1' } };

describe('memoryOfNames', () => {
  it('answers with what it was told, and with clients that are there', async () => {
    const names = memoryOfNames();
    await names.change(set(web) + set(client), found);
    expect(names.observed(found).map(({ key, hash, space }) => ({ key, hash, space }))).toEqual(
      [web, client].map(({ key, hash, space }) => ({ key, hash, space })),
    );
    expect(names.observed({}).map(({ key }) => key)).toEqual([web.key]);
    await names.change(`delete ${web.key}\n`, found);
    expect(names.observed(found).map(({ key }) => key)).toEqual([client.key]);
  });

  it('does all lines or none', async () => {
    const names = memoryOfNames();
    for (const bad of [
      'nonsense',
      `set ${web.key} {`,
      `set ${web.key} {"kind":"bridge"}`,
      `put ${web.key} {}`,
      'set dns-name/nowhere/app/web {"kind":"dns-name"}',
    ]) {
      await expect(names.change(`${set(web)}${bad}\n`, found)).rejects.toMatchObject({ code: 'apply-failed' });
    }
    expect(names.observed(found)).toEqual([]);
  });
});
