import { ledgerOf, releaseRetired } from '@portolan/ipam';
import { diffSnapshots, type Snapshot } from '@portolan/model';
import { emptySnapshot } from '@portolan/testkit';
import { describe, expect, it } from 'vitest';
import { committed, endpoint, type Fault, faultOf, joined, network, node, service } from './drafting.js';

const pinned = (id: string, address: string | null, mark: number | null = null) => service(id, [], { networks: [joined('app', { address, mark })] });
const at = (id: string, serviceId: string, address: string) => endpoint(id, serviceId, 'n1', [], { addresses: [{ networkId: 'app', address }] });
const values = ({ retired }: Snapshot): readonly string[] =>
  retired.map(({ pool, networkId, value, revision }) => `${pool} ${networkId ?? '-'} ${value} @${revision}`);
const brief = ({ code, field, id, message }: Fault): string => `${code} ${id} ${field}: ${message}`;

function cluster(): Snapshot {
  return committed(emptySnapshot(), {
    node: [node('n1', '192.0.2.1')],
    network: [network('app'), network('other')],
    service: [service('web', ['app']), service('api', ['app'])],
    endpoint: [endpoint('web.1', 'web', 'n1'), endpoint('web.2', 'web', 'n1')],
  });
}

describe('retired values', () => {
  it('are those that an edit gives up, with its revision and who had them', () => {
    const before = cluster();
    expect(before.retired).toEqual([]);
    const after = committed(before, { endpoint: ['web.1'] });
    expect(after.retired).toEqual([
      { pool: 'address', networkId: 'app', value: '10.0.0.5', revision: 2, holder: { kind: 'endpoint', name: 'web.1', serviceId: 'web' } },
    ]);
    const gone = committed(after, { service: ['api', 'web'], endpoint: ['web.2'] });
    // By edit, then by value: the node leaves the network with its last endpoint.
    expect(values(gone)).toEqual([
      'address app 10.0.0.5 @2',
      'address app 10.0.0.2 @3',
      'address app 10.0.0.3 @3',
      'address app 10.0.0.4 @3',
      'address app 10.0.0.6 @3',
      'mark - 65536 @3',
      'mark - 65537 @3',
    ]);
    const created = diffSnapshots(after, gone).retired.created;
    expect(created).toEqual(gone.retired.slice(1));
  });

  it('are the VNI of a network that goes, not its addresses, and what was retired in it is forgotten', () => {
    const before = committed(cluster(), { endpoint: ['web.1'] });
    const empty = committed(before, { service: ['web', 'api'], endpoint: ['web.2'], network: ['app'] });
    expect(values(empty)).toEqual(['mark - 65536 @3', 'mark - 65537 @3', 'vni - 4096 @3']);
    expect(diffSnapshots(before, empty).retired.deleted).toEqual(before.retired);
  });

  it('are the VNI and the gateway of a subnet that a network gives up', () => {
    const extra = { subnet: '10.9.0.0/24', vni: null, gateway: null };
    const before = committed(emptySnapshot(), { network: [network('wide', { extraSubnets: [extra] })] });
    const wide = before.networks.get('wide');
    if (wide === undefined) throw new Error('no network');
    const after = committed(before, { network: [{ ...wide, extraSubnets: [] }] });
    expect(values(after)).toEqual(['address wide 10.9.0.1 @2', 'vni - 4097 @2']);
  });

  it('are never given to anybody, in the same edit neither, until they are released', () => {
    const before = cluster();
    const replaced = committed(before, { endpoint: ['web.1', endpoint('web.3', 'web', 'n1')], service: ['api', service('new', ['app'])] });
    expect(replaced.endpoints.get('web.3')?.addresses).toEqual([{ networkId: 'app', address: '10.0.0.8' }]);
    expect(replaced.services.get('new')?.networks).toEqual([joined('app', { address: '10.0.0.7', mark: 0x10002 })]);
    const held = committed(releaseRetired(replaced, 1), { service: [service('late', ['app'])] });
    expect(held.services.get('late')?.networks[0]).toMatchObject({ address: '10.0.0.9', mark: 0x10003 });
    const settled = releaseRetired(replaced, 2);
    expect(settled.retired).toEqual([]);
    const free = committed(settled, { service: [service('late', ['app'])] });
    expect(free.services.get('late')?.networks[0]).toMatchObject({ address: '10.0.0.3', mark: 0x10001 });
  });

  it('are released by revision, and nothing to release is the very snapshot', () => {
    const first = committed(cluster(), { endpoint: ['web.1'] });
    const second = committed(first, { service: ['api'] });
    expect(values(releaseRetired(second, 2))).toEqual(['address app 10.0.0.3 @3', 'mark - 65537 @3']);
    expect(releaseRetired(second, 1)).toBe(second);
    expect(ledgerOf(releaseRetired(second, 2))).toBe(ledgerOf(second));
  });

  it('cannot be pinned by another object', () => {
    const before = committed(cluster(), { endpoint: ['web.1'], service: ['api'] });
    expect(brief(faultOf(before, { service: [pinned('new', '10.0.0.5')] }))).toBe(
      'still-held new vip: the address 10.0.0.5 was the endpoint "web.1"\'s until revision 2, which not every node has applied yet',
    );
    expect(brief(faultOf(before, { service: [pinned('new', null, 0x10001)] }))).toBe(
      'still-held new mark: the mark 65537 was the service "api"\'s until revision 2, which not every node has applied yet',
    );
    const gone = committed(before, { network: ['other'] });
    expect(faultOf(gone, { network: [network('more', { vni: 4097 })] })).toMatchObject({ code: 'still-held', field: 'vni', id: 'more' });
    const released = committed(releaseRetired(gone, 3), { service: [pinned('new', '10.0.0.5', 0x10001)], network: [network('more', { vni: 4097 })] });
    expect(released.retired).toEqual([]);
  });

  it('cannot be swapped in one edit', () => {
    const before = committed(emptySnapshot(), { network: [network('app')], service: [pinned('a', '10.0.0.5', 300), pinned('b', '10.0.0.6', 301)] });
    const swap = { service: [pinned('a', '10.0.0.6', 301), pinned('b', '10.0.0.5', 300)] };
    expect(brief(faultOf(before, swap))).toBe(
      'still-held a vip: the address 10.0.0.6 was the service "b"\'s until revision 2, which not every node has applied yet',
    );
    // The refused edit left no trace.
    expect(values(committed(before, { service: ['a'] }))).toEqual(['address app 10.0.0.5 @2', 'mark - 300 @2']);
  });

  it('can be pinned by the same object made anew and by endpoints of the same service, which ends their retirement', () => {
    const before = cluster();
    const gone = committed(before, { service: ['api'], endpoint: ['web.1'] });
    const anew = { ...pinned('other-id', '10.0.0.3', 0x10001), name: 'api' };
    const again = committed(gone, { service: [anew], endpoint: [at('web.9', 'web', '10.0.0.5')] });
    expect(again.retired).toEqual([]);
    expect(diffSnapshots(gone, again).retired.deleted).toEqual(gone.retired);
    const replaced = committed(before, { endpoint: ['web.1', at('web.9', 'web', '10.0.0.5')] });
    expect(replaced.retired).toEqual([]);
    expect(faultOf(before, { endpoint: ['web.1', at('api.1', 'api', '10.0.0.5')] })).toMatchObject({ code: 'still-held', id: 'api.1', field: 'address' });
    expect(values(committed(again, { endpoint: ['web.9'] }))).toEqual(['address app 10.0.0.5 @4']);
  });

  it('count in the message of a pool that is used up', () => {
    const base = committed(emptySnapshot('c', { markRange: [256, 257] }), {
      network: [network('app')],
      service: [service('a', ['app']), service('b', ['app'])],
    });
    const freed = committed(base, { service: ['a'] });
    expect(faultOf(freed, { service: [service('c', ['app'])] }).message).toBe(
      'the mark range 256-257 (2 marks) has no free mark: 1 VIP, 1 retired; held by "b"',
    );
  });

  it('are not gateway addresses, which only their node knows, nor ports', () => {
    const before = cluster();
    expect(before.endpoints.get('web.1')?.gatewayAddress).toBe('192.168.240.3');
    const after = committed(before, { endpoint: ['web.1', endpoint('web.3', 'web', 'n1')] });
    expect(after.endpoints.get('web.3')?.gatewayAddress).toBe('192.168.240.3');
  });
});
