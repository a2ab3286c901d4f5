import { type KernelObject, kernelObject, nodeState, observedState } from '@portolan/node-state';
import { diffNodeState } from '@portolan/plan';
import { describe, expect, it } from 'vitest';
import { foreignMarksOf, keptRules, renderPlan, scanIptablesSave } from '../src/index.js';
import { layout } from './layout.js';

const ENTRY = '-A FORWARD -m comment --comment "portolan rule-entry/filter/forward 0123456789abcdef 1/1" -j PORTOLAN-FORWARD';

function save(...filter: readonly string[]): string {
  return `*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [12:34]\n:PORTOLAN-FORWARD - [0:0]\n${filter.join('\n')}\nCOMMIT\n`;
}

describe('foreign rules before ours', () => {
  const drop = '-A FORWARD -s 192.0.2.0/24 -j DROP';

  it('are told with their text and chain when they may swallow packets', () => {
    const text = save(
      drop,
      '-A FORWARD -j REJECT --reject-with icmp-port-unreachable',
      '-A FORWARD -j DOCKER-USER',
      '-A FORWARD -j LOG',
      ENTRY,
      '-A FORWARD -j DROP',
    );
    expect(scanIptablesSave('host', text).obstructions).toEqual([
      { chain: 'filter/FORWARD', text: drop },
      { chain: 'filter/FORWARD', text: '-A FORWARD -j REJECT --reject-with icmp-port-unreachable' },
    ]);
  });

  it('are no others: behind ours, in chains that we have no entry in, a policy, and what a comment says', () => {
    const text = save(ENTRY, drop, '-A INPUT -j DROP', '-A FORWARD -m comment --comment "was -j DROP once" -j ACCEPT');
    expect(scanIptablesSave('host', text).obstructions).toBeUndefined();
    expect(scanIptablesSave('host', save('-A FORWARD -m comment --comment "a -j DROP \\" b" -j ACCEPT', ENTRY)).obstructions).toBeUndefined();
    expect(scanIptablesSave('host', save(drop)).obstructions).toBeUndefined();
  });

  it('are those of earlier tables at the stage of an entry, and their policy', () => {
    const raw =
      '*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth1 -j DROP\nCOMMIT\n*mangle\n:FORWARD DROP [0:0]\n-A FORWARD -m mark --mark 0x1 -j DROP\nCOMMIT\n';
    expect(scanIptablesSave('host', `${raw}${save(ENTRY)}`).obstructions).toEqual([
      { chain: 'mangle/FORWARD', text: ':FORWARD DROP' },
      { chain: 'mangle/FORWARD', text: '-A FORWARD -m mark --mark 0x1 -j DROP' },
    ]);
  });

  it('are all in a namespace of our own', () => {
    expect(scanIptablesSave('own:lb_x', '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n-A INPUT -p udp -j DROP\nCOMMIT\n').obstructions).toEqual([
      { chain: 'filter/FORWARD', text: ':FORWARD DROP' },
      { chain: 'filter/INPUT', text: '-A INPUT -p udp -j DROP' },
    ]);
  });
});

describe('foreign marks', () => {
  it.each([
    ['-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000', [{ value: 0x4000, mask: 0x4000 }]],
    ['-A X -m mark ! --mark 0x4000/0x4000 -j RETURN', [{ value: 0x4000, mask: 0x4000 }]],
    [
      '-A X -m mark --mark 0x1 -j MARK --set-xmark 0x80000000/0xff000000',
      [
        { value: 1, mask: 0xffffffff },
        { value: 0x80000000, mask: 0xff000000 },
      ],
    ],
    ['-A X -m mark --mark 7', [{ value: 7, mask: 0xffffffff }]],
    // What is turned over beyond the mask is touched, too.
    ['-A X -j MARK --set-xmark 0x3/0x1', [{ value: 3, mask: 3 }]],
    ['-A X -m connmark --mark 0x2/0x2 -j CONNMARK --set-xmark 0x4/0x4', []],
    ['-A X -m comment --comment "-m mark --mark 0x9 " -j ACCEPT', []],
    ['-A X -p tcp -j ACCEPT', []],
  ])('of %s', (line, marks) => {
    expect(foreignMarksOf(line)).toEqual(marks);
  });

  it('are told by one rule each outside of our own namespaces, ours left out', () => {
    const rules = [
      '-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000',
      '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
      '-A OTHER -m mark --mark 0x1/0x1 -j ACCEPT',
      '-A OTHER -p tcp -j ACCEPT',
      '-A PORTOLAN-POSTROUTING -m mark --mark 0x8/0x8 -m comment --comment "portolan pod-masquerade/10.244.0.0/16 0123456789abcdef 1/6" -j RETURN',
    ];
    expect(scanIptablesSave('host', `*nat\n${rules.join('\n')}\nCOMMIT\n`).foreign).toEqual([rules[0], rules[2]]);
  });
});

describe('rules that are kept', () => {
  const origin = { computedBy: 'ingress' } as const;
  const entry = kernelObject('host', { kind: 'rule-entry', table: 'nat', stage: 'prerouting' }, origin);
  const forward = (port: number, to: string) => kernelObject('host', { kind: 'port-forward', protocol: 'tcp', port, to, toPort: port }, origin);
  const stateOf = (...objects: KernelObject[]) =>
    nodeState({ cluster: '', node: '', address: '192.0.2.1', endpoints: {}, watch: { probes: {}, nodes: {}, draining: [] }, objects });

  it('are written as they were found, whatever is written beside them', () => {
    const [first] = renderPlan(
      diffNodeState(observedState([], {}, []), stateOf(entry, forward(80, '172.20.0.2'))),
      stateOf(entry, forward(80, '172.20.0.2')),
      layout,
    );
    const kept = keptRules('host', first?.text ?? '', new Set([forward(80, '').key]));
    expect([...kept.values()].map(({ lines }) => lines.length)).toEqual([3]);
    const then = stateOf(entry, forward(80, '172.20.0.9'), forward(81, '172.20.0.3'));
    const steps = [{ action: 'create' as const, object: forward(81, '172.20.0.3'), reason: '' }];
    const text = renderPlan({ steps }, then, layout, kept)
      .map((batch) => batch.text)
      .join('');
    for (const { line } of [...kept.values()].flatMap(({ lines }) => lines)) expect(text).toContain(`-A ${line}\n`);
    expect(text).not.toContain('172.20.0.9');
    expect(text).toContain('172.20.0.3');
    // Not wanted, and not to be removed.
    const without = renderPlan({ steps }, stateOf(entry, forward(81, '172.20.0.3')), layout, kept)
      .map((batch) => batch.text)
      .join('');
    for (const { line } of [...kept.values()].flatMap(({ lines }) => lines)) expect(without).toContain(`-A ${line}\n`);
  });
});
