import {
  bodyHash,
  type KernelObject,
  kernelObject,
  type ObjectBody,
  type ObservedObject,
  type Origin,
  objectKey,
  objectKinds,
  type Space,
} from '@portolan/node-state';
import { describe, expect, it } from 'vitest';
import { type Plan, type PlannedStep, plannedSteps, type Step, worstRisk } from '../src/index.js';
import { riskOf } from '../src/risk.js';

const space: Space = 'own:lb_5mckih8b5';
const origin: Origin = { computedBy: 'load-balancer', service: 'web', network: 'app' };

function wanted(body: ObjectBody): KernelObject {
  return kernelObject(space, body, origin);
}

function found(body: ObjectBody, shown: 'whole' | 'as a rule' = 'whole'): ObservedObject {
  const thing = { key: objectKey(space, body), hash: bodyHash(body), space, kind: body.kind };
  return shown === 'whole' ? { ...thing, body } : thing;
}

function planned(step: Step, before: readonly KernelObject[] = []): PlannedStep | undefined {
  const plan: Plan = { from: '', to: '', steps: [step], waiting: [] };
  return plannedSteps(plan, { objects: before })[0];
}

const made = (after: ObjectBody): Step => ({ action: 'create', object: wanted(after), reason: 'missing' });
const changed = (before: ObservedObject, after: ObjectBody): Step => ({ action: 'replace', object: wanted(after), observed: before, reason: 'differs' });
const gone = (before: ObservedObject): Step => ({ action: 'delete', observed: before, reason: 'no longer wanted' });

const server = { kind: 'real-server', mark: 329, address: '10.0.0.3', forwarding: 'masquerade', weight: 1 } as const;
const filter = { kind: 'endpoint-filter', address: '10.255.0.3', open: [{ protocol: 'tcp', port: 8000 }] } as const;
const forward = { kind: 'port-forward', protocol: 'tcp', port: 8000, to: '192.168.240.2', toPort: 8000 } as const;
const name = { kind: 'dns-name', network: 'app', name: 'web', addresses: ['10.0.0.20'] } as const;

describe('the steps of a plan for people', () => {
  it('tell what is changed where it is from what is made anew', () => {
    const vxlan = { kind: 'vxlan', name: 'vxlan0', vni: 4097, port: 4789, mtu: 1450, master: 'br0' } as const;
    expect(planned(changed(found(vxlan), { ...vxlan, mtu: 1400 }))).toMatchObject({ action: 'update', risk: 'none' });
    expect(planned(changed(found(vxlan), { ...vxlan, vni: 4098 }))).toMatchObject({ action: 'replace', risk: 'cuts' });
    expect(planned(made(vxlan))).toMatchObject({ action: 'create', risk: 'none' });
    expect(planned(gone(found(vxlan)))).toMatchObject({ action: 'delete', risk: 'cuts' });
    const route = { kind: 'route', destination: '10.244.2.0/24', via: '172.16.0.2', link: 'eth0' } as const;
    expect(planned(changed(found(route), { ...route, via: '172.16.0.3' }))).toMatchObject({ action: 'update', risk: 'moves' });
    expect(planned(changed(found(route), { ...route, metric: 5 }))).toMatchObject({ action: 'replace', risk: 'cuts' });
  });

  it('keep the order of the plan, and its reasons', () => {
    const plan: Plan = { from: '', to: '', steps: [made(server), gone(found(name))], waiting: [] };
    expect(plannedSteps(plan).map(({ key, reason }) => `${key}: ${reason}`)).toEqual([
      `real-server/${space}/329/10.0.0.3: missing`,
      `dns-name/${space}/app/web: no longer wanted`,
    ]);
  });

  it('name what asks for an object, and what asked for one that goes where the state before is known', () => {
    expect(planned(made(server))?.origin).toBe('service web, network app');
    expect(planned(gone(found(server)))?.origin).toBe('');
    expect(planned(gone(found(server)), [wanted(server)])?.origin).toBe('service web, network app');
  });

  it('cut the connections of a real server that goes, unless it was drained', () => {
    expect(planned(made(server))?.risk).toBe('moves');
    expect(planned(changed(found(server), { ...server, weight: 0 }))?.risk).toBe('moves');
    expect(planned(changed(found(server), { ...server, forwarding: 'direct' }))?.risk).toBe('cuts');
    expect(planned(gone(found(server)))?.risk).toBe('cuts');
    expect(planned(gone(found({ ...server, weight: 0 })))?.risk).toBe('none');
  });

  it('know of a rule what the state before says of it, and else expect the worst', () => {
    const more = { ...filter, open: [...filter.open, { protocol: 'udp', port: 53 } as const] };
    expect(planned(changed(found(filter, 'as a rule'), more), [wanted(filter)])?.risk).toBe('none');
    expect(planned(changed(found(more, 'as a rule'), filter), [wanted(more)])?.risk).toBe('cuts');
    expect(planned(changed(found(filter, 'as a rule'), more))?.risk).toBe('cuts');
    expect(planned(changed({ ...found(filter, 'as a rule'), hash: '' }, more), [wanted(filter)])?.risk).toBe('cuts');
  });

  it('cut off a published port where it is no longer published', () => {
    const narrow = { ...forward, addresses: ['192.0.2.1'] };
    expect(planned(changed(found(forward), { ...forward, toPort: 80 }))?.risk).toBe('moves');
    expect(planned(changed(found(forward), narrow))?.risk).toBe('cuts');
    expect(planned(changed(found(narrow), forward))?.risk).toBe('moves');
    expect(planned(changed(found(narrow), { ...forward, addresses: ['192.0.2.1', '192.0.2.2'] }))?.risk).toBe('moves');
    expect(planned(changed(found(narrow), { ...narrow, interfaces: ['eth0'] }))?.risk).toBe('cuts');
  });

  it('tell a name that leads elsewhere from one that leads nowhere', () => {
    expect(planned(changed(found(name), { ...name, addresses: ['10.0.0.21'] }))?.risk).toBe('moves');
    expect(planned(changed(found(name), { ...name, addresses: [] }))?.risk).toBe('cuts');
  });

  it('have a risk for each kind and action, never less than that of what is known', () => {
    const unknown = { before: undefined, after: undefined };
    for (const kind of objectKinds) {
      // What nobody has yet breaks nothing.
      expect(riskOf(kind, 'create', unknown), kind).not.toBe('cuts');
      if (kind !== 'file' && kind !== 'endpoint-filter' && kind !== 'source-kept') expect(riskOf(kind, 'delete', unknown), kind).toBe('cuts');
    }
  });
});

describe('the worst risk', () => {
  it('is that of the worst step, and none without a step', () => {
    expect(worstRisk([])).toBe('none');
    expect(worstRisk(['none', 'moves', 'none'])).toBe('moves');
    expect(worstRisk(['moves', 'cuts', 'none'])).toBe('cuts');
  });
});
