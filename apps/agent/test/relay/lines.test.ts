import { describe, expect, it } from 'vitest';
import { changesIn } from '../../src/relay/lines.js';
import { deleteLine, peerBody, relayBody, setLine } from './stage.js';

describe('changesIn', () => {
  it('reads what a batch says', () => {
    const peer = peerBody('10.5.2.0/24', '172.31.0.2');
    expect(changesIn(setLine(relayBody('a')) + setLine(peer) + deleteLine(peer))).toEqual([
      { key: 'udp-relay/host/flannel0', space: 'host', body: relayBody('a') },
      { key: 'udp-relay-peer/host/flannel0/10.5.2.0/24', space: 'host', body: peer },
      { key: 'udp-relay-peer/host/flannel0/10.5.2.0/24', space: 'host' },
    ]);
  });

  it.each([
    'set udp-relay/host/flannel0',
    'set udp-relay/host/other {"kind":"udp-relay","name":"flannel0","mtu":1472,"local":"172.31.0.1","port":8285,"address":"10.5.1.0"}',
    'set namespace/own:x {"kind":"namespace"}',
    'delete namespace/own:x',
    'forget everything',
  ])('refuses the line: %s', (line) => {
    expect(() => changesIn(`delete udp-relay/host/flannel0\n${line}\n`)).toThrow(expect.objectContaining({ code: 'apply-failed' }));
  });
});
