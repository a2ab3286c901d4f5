import { describe, expect, it } from 'vitest';
import type { Headers, ShownHop, ShownPath } from '../src/pages/explain/documents.js';
import { isAsWanted, partingOf, stepsOf, visitsOf } from '../src/pages/explain/stages.js';

const packet: Headers = {
  ...{ source: '10.0.0.2', destination: '10.0.0.20', transport: 'tcp', sourcePort: 40_000, destinationPort: 80 },
  ...{ ttl: 64, mark: 0, size: 60, df: true, outer: null },
};

/** `NODE SPACE kind`; node `-`: outside. */
function hop(text: string, after: Headers = packet): ShownHop {
  const [node = '', space = '', kind = 'route'] = text.split(' ');
  const isKind = (own: string): own is ShownHop['kind'] => ['send', 'route', 'rule', 'drop', 'deliver'].includes(own);
  if (!isKind(kind)) throw new Error(`no kind of this test: ${kind}`);
  return { kind, device: null, text, place: { node: node === '-' ? null : node, space, title: space }, object: null, before: packet, after };
}

function path(forward: readonly ShownHop[], reply: readonly ShownHop[] = []): ShownPath {
  const verdict = { outcome: 'delivered', to: null, hop: null, inReply: false, reason: '', fix: null, object: null } as const;
  return { backend: 'web.1', share: 1, verdict, forward: [...forward], reply: [...reply] };
}

const forward = ['- outside send', 'n1 host route', 'n1 sandbox rule', 'n1 host route', 'n2 host route', 'n2 web deliver'].map((text) => hop(text));
const reply = [hop('n2 web send'), hop('- outside deliver')];

describe('where two walks part', () => {
  it('is nowhere when they are the same, request and answer', () => {
    const steps = stepsOf(path(forward, reply), path(forward, reply));
    expect(steps.map(({ index, isReply }) => [index, isReply])).toEqual([...forward.map((_, index) => [index, false]), [6, true], [7, true]]);
    expect(partingOf(steps)).toBeUndefined();
  });

  it('is the first hop that is not in both', () => {
    const steps = stepsOf(path(forward, reply), path([...forward.slice(0, 2), hop('n1 sandbox drop')]));
    expect(partingOf(steps)).toMatchObject({ index: 2, wanted: { kind: 'rule' }, seen: { kind: 'drop' } });
    expect(steps.filter(({ seen }) => seen === undefined)).toHaveLength(5);
  });

  it('is a hop of both from which the packet goes on otherwise', () => {
    const other = { ...packet, outer: { source: '172.16.0.1', destination: '172.16.0.2', port: 4789, vni: 4097 } };
    const steps = stepsOf(path(forward), path(forward.map((own, index) => (index === 3 ? hop('n1 host route', other) : own))));
    expect(partingOf(steps)).toMatchObject({ index: 3, isShared: true });
    expect(steps.map(isAsWanted)).toEqual([true, true, true, false, true, true]);
  });
});

describe('visits', () => {
  it('are of one host after the other, with its namespaces as often as they are passed', () => {
    const visits = visitsOf(stepsOf(path(forward, reply), undefined));
    expect(visits.map(({ node, isReply, stages }) => [node, isReply, stages.map(({ place }) => place.space)])).toEqual([
      [null, false, ['outside']],
      ['n1', false, ['host', 'sandbox', 'host']],
      ['n2', false, ['host', 'web']],
      ['n2', true, ['web']],
      [null, true, ['outside']],
    ]);
  });
});
