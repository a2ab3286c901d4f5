import { describe, expect, it } from 'vitest';
import { runScripted } from './scripted.js';

const packet = { source: '10.0.0.9', destination: '10.0.0.20', transport: 'tcp', sourcePort: 40000, destinationPort: 80, ttl: 64, mark: 0, outer: null };
const mark = { node: 'node-1', key: 'mark/own:lb/input/10.0.0.20', origin: { computedBy: 'load-balancer', service: 'api' } };
const hops = [
  { kind: 'send', place: { node: 'node-1', title: 'endpoint web.1' }, device: null, text: 'it is sent', after: packet, object: null },
  { kind: 'rule', place: { node: 'node-1', title: 'load balancer of net' }, device: null, text: 'to the VIP', after: { ...packet, mark: 329 }, object: mark },
];
const delivered = { outcome: 'delivered', to: 'endpoint api.1', reason: 'it arrives', fix: null, object: null };
const lost = { outcome: 'unreachable', to: null, reason: 'nothing marks it', fix: 'Bring the mark back.', object: mark };
const explained = (verdict: object, more: object = {}) => ({
  body: {
    ...{ from: 'endpoint:web.1', to: 'api', view: 'desired', resolution: { text: 'api on net: 10.0.0.20' }, divergences: [], trails: [] },
    ...{ paths: [{ backend: 'api.1', share: 0.5, forward: hops, reply: [], verdict }], verdict },
    ...more,
  },
});

describe('portolan explain', () => {
  it('shows each hop with the object that does it, and the packet where it changes', async () => {
    const { out, received, exitCode } = await runScripted('explain --from endpoint:web.1 --to api', () => explained(delivered));
    expect(exitCode).toBe(0);
    expect(received).toMatchObject([{ path: '/v1/clusters/c/explain', query: { from: 'endpoint:web.1', to: 'api', observed: 'false' } }]);
    expect(out).toBe(`endpoint:web.1 → api
name: api on net: 10.0.0.20

by api.1, 50 % of new connections
  node-1, endpoint web.1
    send           it is sent
                   10.0.0.9:40000 → 10.0.0.20:80 tcp, ttl 64
  node-1, load balancer of net
    rule           to the VIP  mark/own:lb/input/10.0.0.20 (service api)
                   10.0.0.9:40000 → 10.0.0.20:80 tcp, ttl 64, mark 0x149
delivered to endpoint api.1: it arrives
`);
  });

  it('has with --minimal a line for each namespace', async () => {
    const { out } = await runScripted('explain --from endpoint:web.1 --to api --minimal', () => explained(delivered));
    expect(out.split('\n').filter((line) => line.startsWith('  '))).toEqual([
      '  node-1, endpoint web.1: 10.0.0.9:40000 → 10.0.0.20:80 tcp, ttl 64',
      '  node-1, load balancer of net: 10.0.0.9:40000 → 10.0.0.20:80 tcp, ttl 64, mark 0x149',
    ]);
  });

  it('names what is to blame, and ends with 1', async () => {
    const divergences = [{ object: mark, difference: 'missing', text: '', decisive: true }];
    const { out, exitCode } = await runScripted('explain --from endpoint:web.1 --to api --observed', () => explained(lost, { divergences, view: 'observed' }));
    expect(exitCode).toBe(1);
    expect(out).toContain('  because of node-1 mark/own:lb/input/10.0.0.20 (service api)\n  fix: Bring the mark back.\n');
    expect(out).toContain('  missing node-1 mark/own:lb/input/10.0.0.20 (service api)\n');
  });

  it('shows which flows a plan would change', async () => {
    const change = {
      from: 'outside',
      to: 'api:80/tcp',
      node: 'node-1',
      before: 'delivered',
      after: 'no-backend',
      text: 'nobody is left',
      gained: [],
      lost: ['api.1'],
    };
    const { out, received } = await runScripted('explain --diff p1', () => ({ body: { items: [change] } }));
    expect(received).toMatchObject([{ path: '/v1/clusters/c/changesets/p1/flows' }]);
    expect(out).toContain('outside  api:80/tcp  node-1  delivered  no-backend  nobody is left');
    expect((await runScripted('explain', () => ({ body: {} }))).exitCode).toBe(2);
  });
});

describe('portolan reach', () => {
  it('is a line for each flow, and ends with 1 where one is not delivered', async () => {
    const flow = {
      from: 'endpoint:web.1',
      to: 'api:80/tcp',
      node: null,
      outcome: 'delivered',
      reason: '',
      delivered: 2,
      paths: 2,
      backends: ['api.1', 'api.2'],
    };
    const lostFlow = { ...flow, to: 'db:80/tcp', outcome: 'no-backend', reason: 'nobody is there', delivered: 0, paths: 1 };
    const good = await runScripted('reach --from endpoint:web', () => ({ body: { items: [flow] } }));
    expect([good.exitCode, good.out]).toEqual([
      0,
      'FROM            TO          NODE  OUTCOME    PATHS   REASON\nendpoint:web.1  api:80/tcp  -     delivered  2 of 2  -\n',
    ]);
    const bad = await runScripted('reach', () => ({ body: { items: [flow, lostFlow] } }));
    expect(bad.exitCode).toBe(1);
    expect(bad.err).toContain('1 of 2 flows are not delivered');
  });
});
