import { readFileSync } from 'node:fs';
import { type NodeState, nodeState, objectKinds } from '@portolan/node-state';
import {
  type DesiredState,
  noSignals,
  OLDEST_PROTOCOL_VERSION,
  type Report,
  ReportSchema,
  reportForProtocol,
  stateForProtocol,
  type TrafficReading,
  TrafficReadingSchema,
} from '@portolan/protocol';
import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { closed, objectKindsV3, PROTOCOL_V3, ReportSchemaV3, refusalOfAgentV3, watchFieldsV3 } from './v3/wire.js';

const recorded = <T>(name: string): T => JSON.parse(readFileSync(new URL(`v3/${name}`, import.meta.url), 'utf8')) as T;
const desired = recorded<DesiredState>('state.json');
const reports = recorded<readonly Report[]>('reports.json');
const v3 = Compile(closed(ReportSchemaV3));
const v4 = Compile(ReportSchema);

/** The recorded state with everything that protocol 4 brought. */
function grown(): NodeState {
  const { hash: _hash, ...rest } = desired.state;
  const vips = { 's/n/80': { space: 'host', address: '192.0.2.1', port: 80 } } as const;
  return nodeState({ ...rest, watch: { ...rest.watch, driftPolicy: 'report', vips } });
}

describe('states for agents of protocol 3', () => {
  it('hold nothing that it does not know, and are whole to it', () => {
    expect(OLDEST_PROTOCOL_VERSION).toBe(PROTOCOL_V3);
    const told = stateForProtocol(grown(), PROTOCOL_V3);
    expect(refusalOfAgentV3({ protocol: PROTOCOL_V3, state: told })).toBeUndefined();
    expect(Object.keys(told.watch).filter((field) => !watchFieldsV3.includes(field))).toEqual([]);
    expect(told).toEqual(desired.state);
    // To leave a field out is to have another hash: the state of the newest version, cut, would be refused.
    const { vips: _vips, driftPolicy: _policy, ...watch } = grown().watch;
    expect(refusalOfAgentV3({ protocol: PROTOCOL_V3, state: { ...grown(), watch } })).toContain('not that of its hash');
    expect(refusalOfAgentV3({ protocol: 4, state: told })).toContain('protocol 4');
  });

  it('are the same as ours where there is nothing new in them', () => {
    const state = stateForProtocol(grown(), 4);
    expect(state).toEqual(grown());
    expect(stateForProtocol(desired.state, PROTOCOL_V3)).toBe(desired.state);
  });

  it('have kinds of objects that it knows: a new kind has to be left out of what it is told', () => {
    expect(objectKinds.filter((kind) => !objectKindsV3.includes(kind))).toEqual([]);
    // The order decides over the hash.
    expect(objectKindsV3).toEqual([...objectKinds]);
  });

  it('of release 3 are read by us', () => {
    expect(refusalOfAgentV3(desired)).toBeUndefined();
    const { hash, ...rest } = desired.state;
    expect(nodeState(rest).hash).toBe(hash);
  });
});

describe('reports', () => {
  const [, applied] = reports;
  if (applied === undefined) throw new Error('nothing recorded');
  const full: Report = {
    ...applied,
    protocol: 4,
    order: { start: 1_800_000_000_000, count: 7 },
    errors: [{ code: 'apply-failed', message: 'm', fix: 'f', key: 'k', command: { command: 'ip -batch -', exitCode: 1, stderr: 'no' } }],
    signals: { ...noSignals, underlayMtu: 1500, vips: { 's/n/80': { revision: 3, answers: true } } },
    drift: { open: [{ key: 'k', kind: 'missing', reason: 'r', since: '2026-11-26T00:00:00.000Z' }], repaired: [] },
  };

  it('of release 3 are taken by us', () => {
    expect(reports.map(({ status }) => status)).toEqual(['failed', 'applied', 'applied']);
    for (const report of reports) {
      expect(v3.Errors(report)).toEqual([]);
      expect(v4.Errors(report)).toEqual([]);
    }
  });

  it('for a control plane of release 3 hold nothing that it does not know', () => {
    expect(v4.Errors(full)).toEqual([]);
    expect(v3.Check(full)).toBe(false);
    const told = reportForProtocol(full, PROTOCOL_V3);
    expect(v3.Errors(told)).toEqual([]);
    expect(told).toMatchObject({ protocol: 3, errors: [{ code: 'apply-failed', key: 'k' }], signals: { underlayMtu: 1500 } });
    expect(reportForProtocol(full, 4)).toBe(full);
  });

  it('are refused with a field that nobody knows, wherever it is', () => {
    const strange = { strange: true };
    const [step] = full.steps;
    const [command] = full.commands;
    const [error] = full.errors;
    const [open] = full.drift?.open ?? [];
    const others: readonly object[] = [
      { ...full, ...strange },
      { ...full, order: { start: 1, count: 1, ...strange } },
      { ...full, order: { start: 1, count: 0 } },
      { ...full, steps: [{ ...step, ...strange }] },
      { ...full, commands: [{ ...command, ...strange }] },
      { ...full, errors: [{ ...error, ...strange }] },
      { ...full, errors: [{ ...error, command: { ...error?.command, ...strange } }] },
      { ...full, signals: { ...full.signals, ...strange } },
      { ...full, signals: { ...full.signals, vips: { a: { revision: 1, answers: true, ...strange } } } },
      { ...full, drift: { open: [{ ...open, ...strange }], repaired: [] } },
      { ...full, drift: { open: [], repaired: [{ ...open, repairedAt: open?.since, ...strange }] } },
      { ...full, observed: { ...full.observed, ...strange } },
    ];
    expect(others.filter((report) => v4.Check(report))).toEqual([]);
    expect(v4.Errors({ ...full, drift: { open: [], repaired: [{ ...open, repairedAt: open?.since }] } })).toEqual([]);
  });
});

describe('readings of traffic', () => {
  const schema = Compile(TrafficReadingSchema);
  const counts = { connections: 2 ** 32 - 1, active: 1, inactive: 0, inPackets: 5, outPackets: 4, inBytes: 2 ** 40, outBytes: 0 };
  const server = { space: 'own:ingress_sbox', mark: 2 ** 32 - 1, address: '10.255.255.255', ...counts };
  const reading: TrafficReading = { protocol: 4, at: '2026-11-26T12:00:00.000Z', servers: [server] };

  it('hold what a kernel can count', () => {
    expect(schema.Errors(reading)).toEqual([]);
    expect(schema.Errors({ ...reading, servers: [] })).toEqual([]);
  });

  it('are refused with anything else', () => {
    const { at: _at, ...timeless } = reading;
    const others: readonly object[] = [
      timeless,
      { ...reading, strange: true },
      { ...reading, at: 'now' },
      { ...reading, servers: [{ ...server, strange: true }] },
      { ...reading, servers: [{ ...server, mark: 0 }] },
      { ...reading, servers: [{ ...server, mark: 2 ** 32 }] },
      { ...reading, servers: [{ ...server, address: '10.255.255.255:80' }] },
      ...Object.keys(counts).flatMap((name) => [-1, 0.5, 2 ** 60, '1'].map((count) => ({ ...reading, servers: [{ ...server, [name]: count }] }))),
    ];
    expect(others.filter((other) => schema.Check(other))).toEqual([]);
  });
});
