import { bodyHash, canonicalJson, kernelObject, nodeState, type ObjectBody, observedObject } from '@portolan/node-state';
import { describe, expect, it } from 'vitest';

const origin = { computedBy: 'load-balancer', service: 'web' } as const;
const vip: ObjectBody = { kind: 'mark', match: { stage: 'input', destination: '10.0.0.20' }, mark: 0x149 };
const server: ObjectBody = { kind: 'virtual-server', mark: 0x149, scheduler: 'rr' };

describe('objects', () => {
  it('are known by kind, space and identity', () => {
    expect(kernelObject('own:lb_5mckih8b5', vip, origin).key).toBe('mark/own:lb_5mckih8b5/input/10.0.0.20');
    expect(kernelObject('own:lb_5mckih8b5', { kind: 'namespace' }, origin).key).toBe('namespace/own:lb_5mckih8b5');
  });

  it('hash the same whatever the order of the fields, and whoever made them', () => {
    const reordered: ObjectBody = { mark: 0x149, match: { destination: '10.0.0.20', stage: 'input' }, kind: 'mark' };
    expect(bodyHash(reordered)).toBe(bodyHash(vip));
    expect(observedObject('host', vip).hash).toBe(kernelObject('host', vip, origin).hash);
    expect(bodyHash({ ...vip, mark: 0x150 })).not.toBe(bodyHash(vip));
  });

  it('leave fields without a value out of the hash', () => {
    expect(canonicalJson({ a: 1, b: undefined })).toBe('{"a":1}');
  });
});

describe('states', () => {
  it('are equal as bytes whatever the order in which they were computed', () => {
    const objects = [vip, server].map((body) => kernelObject('own:lb_x', body, origin));
    const one = nodeState('c', 'n', {}, objects);
    const other = nodeState('c', 'n', {}, [...objects].reverse());
    expect(JSON.stringify(one)).toBe(JSON.stringify(other));
    expect(one.objects.map((object) => object.body.kind)).toEqual(['virtual-server', 'mark']);
  });

  it('have another hash when an endpoint moves to another namespace', () => {
    const at = (netns: string) => nodeState('c', 'n', { e: { name: 'web.1', attachment: { netns } } }, []).hash;
    expect(at('/run/netns/a')).not.toBe(at('/run/netns/b'));
  });

  it('refuse two objects of one key', () => {
    const twice = [kernelObject('host', server, origin), kernelObject('host', { ...server, scheduler: 'wrr' }, origin)];
    expect(() => nodeState('c', 'n', {}, twice)).toThrow('virtual-server/host/329');
  });
});
