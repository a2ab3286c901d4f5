import { describe, expect, it } from 'vitest';
import { runScripted } from './scripted.js';

const counted = { perSecond: 1.25, active: 2, inactive: 3, inPackets: 50, outPackets: 40, inBytes: 500, outBytes: 900 };
const traffic = {
  service: 'web',
  ...counted,
  connections: 30,
  readAt: '2026-11-26T12:00:00.000Z',
  backends: [
    { endpoint: 'web.1', ...counted, connections: 20, share: 66.66 },
    { endpoint: 'web.2', ...counted, connections: 10, perSecond: null, share: 33.33 },
  ],
  nodes: [{ node: 'node-1', ...counted, connections: 30, readAt: '2026-11-26T12:00:00.000Z', backends: [] }],
};
const place = {
  ...{
    node: 'node-1',
    network: 'ingress',
    space: 'own:ingress_sbox',
    mark: 65536,
    local: false,
    virtualServer: 'present',
    realServers: 2,
    wantedRealServers: 2,
  },
  ...{ faults: [], computedRevision: 7, appliedRevision: 7 },
};
const lines = (text: string): string[] => text.split('\n').map((line) => line.trimEnd().replaceAll(/ {2,}/g, '  '));

describe('portolan service traffic', () => {
  it('shows requests by backend and by node', async () => {
    const { out, received, exitCode } = await runScripted('service traffic web', () => ({ body: traffic }));
    expect(exitCode).toBe(0);
    expect(received).toMatchObject([{ path: '/v1/clusters/c/services/web/traffic' }]);
    expect(lines(out)).toEqual([
      'BACKEND  SHARE  REQUESTS  PER SECOND  OPEN  BYTES IN  BYTES OUT',
      'web.1  66.7 %  20  1.3  2  500  900',
      'web.2  33.3 %  10  -  2  500  900',
      '',
      'FROM NODE  REQUESTS  PER SECOND  OPEN  BYTES IN  BYTES OUT  READ AT',
      'node-1  30  1.3  2  500  900  2026-11-26T12:00:00.000Z',
      '',
    ]);
  });

  it('says so where nobody has counted', async () => {
    const { out } = await runScripted('service traffic web', () => ({ body: { ...traffic, readAt: null, nodes: [] } }));
    expect(out).toBe('no agent has counted requests of it yet\n');
  });
});

describe('portolan service programmed', () => {
  it('shows each place', async () => {
    const { out, exitCode } = await runScripted('service programmed web', () => ({
      body: { items: [place, { ...place, node: 'node-2', virtualServer: 'unknown', realServers: null }] },
    }));
    expect(exitCode).toBe(0);
    expect(lines(out)).toEqual([
      'NODE  NETWORK  NAMESPACE  MARK  VIRTUAL SERVER  REAL SERVERS  APPLIED  FAULTS',
      'node-1  ingress  ingress_sbox  0x10000  present  2 of 2  7  -',
      'node-2  ingress  ingress_sbox  0x10000  unknown  ? of 2  7  -',
      '',
    ]);
  });

  it('ends with 1 where something is not as it should be', async () => {
    const faults = ['real-server/own:ingress_sbox/65536/10.255.0.7'];
    const { out, exitCode } = await runScripted('service programmed web', () => ({ body: { items: [{ ...place, realServers: 1, faults }] } }));
    expect(exitCode).toBe(1);
    expect(out).toContain(faults[0]);
  });
});
