import type { Snapshot } from '@portolan/model';
import { beforeEach, describe, expect, it } from 'vitest';
import type { IntentStore } from '../src/ports.js';
import { endpoint, idOf, network, newCluster, node, note, planTo, port, put, remove, reportOn, service, stateOf, vip } from './fixtures/intent.js';
import { all, api, flannel, lease, n1, n2, net, other, unreadable, web, web1 } from './fixtures/small-cluster.js';

/** A store, and how to open another that has nothing in memory. */
export interface StoreUnderTest {
  readonly store: IntentStore;
  reopen(): Promise<IntentStore>;
}

/** What every IntentStore promises. `subject` gives a store without any cluster. */
export function describeIntentStore(name: string, subject: () => Promise<StoreUnderTest>): void {
  describe(`intent store: ${name}`, () => {
    let store: IntentStore;
    let reopen: StoreUnderTest['reopen'];
    beforeEach(async () => {
      ({ store, reopen } = await subject());
    });

    describe('clusters', () => {
      it('are listed by name and found again', async () => {
        await newCluster(store, 'b');
        await newCluster(store, 'a');
        expect((await store.listClusters()).map(({ name, revision }) => [name, revision])).toEqual([
          ['a', 0],
          ['b', 0],
        ]);
        expect((await store.snapshot('a')).nodes.size).toBe(0);
      });

      it('have names of their own', async () => {
        await newCluster(store, 'a');
        await expect(store.createCluster({ ...(await store.snapshot('a')).cluster, id: idOf('x') })).rejects.toMatchObject({ code: 'duplicate-name' });
      });

      it('take all that is theirs with them', async () => {
        const cluster = await newCluster(store, 'a');
        await store.commit('a', note, all);
        const state = stateOf('n1', '10.0.1.1');
        await store.saveComputed(cluster, 1, [{ nodeId: n1.id, changed: { state, plan: planTo(state) } }]);
        await store.saveReport(n1.id, reportOn(state, 1, { observed: { hash: 'h', objects: [], foreign: [] } }));
        await store.deleteCluster('a');
        expect(await store.listClusters()).toEqual([]);
        await expect(store.snapshot('a')).rejects.toMatchObject({ code: 'not-found' });
        expect(await store.nodeState(n1.id)).toBeNull();
        expect(await store.observed(n1.id)).toBeNull();
        expect(await store.counts()).toEqual({ outbox: 0, jobs: { queued: 0, applied: 0, failed: 0, superseded: 0 } });
        await newCluster(store, 'a');
        expect((await store.snapshot('a')).cluster.revision).toBe(0);
      });

      it('that are unknown are not found', async () => {
        await expect(store.snapshot('no')).rejects.toMatchObject({ code: 'not-found' });
        await expect(store.deleteCluster('no')).rejects.toMatchObject({ code: 'not-found' });
        await expect(store.commit('no', note, (s) => s)).rejects.toMatchObject({ code: 'not-found' });
        await expect(store.revisions('no', { limit: 1 })).rejects.toMatchObject({ code: 'not-found' });
      });
    });

    describe('commit', () => {
      it('keeps every value of every noun', async () => {
        await newCluster(store, 'a');
        const rich = put({
          nodes: [
            node('n1', 1, {
              role: 'manager',
              availability: 'drain',
              underlayMtu: 1400,
              underlayLink: 'eth1',
              onLink: ['172.16.130.0/24'],
              condition: 'silent',
              labels: { zone: 'é\n"x"', b: '' },
              version: 7,
            }),
            node('n2', 2, { loadBalancers: [other, net].map(({ id }, i) => ({ networkId: id, address: `10.0.${2 - i}.2` })) }),
          ],
          networks: [
            net,
            {
              ...other,
              ingress: true,
              mtu: null,
              internal: true,
              attachable: true,
              dsr: true,
              ipvsTimeouts: { tcp: 900, tcpFin: 120, udp: 300 },
              extraSubnets: [
                { vni: 9001, subnet: '10.0.9.0/25', gateway: '10.0.9.1' },
                { vni: 9000, subnet: '10.0.8.0/24', gateway: '10.0.8.254' },
              ],
            },
          ],
          services: [
            service('web', {
              scheduler: 'mh',
              persistence: 600,
              drainSeconds: 0,
              healthCheck: { kind: 'http', port: 80, path: '/', intervalMs: 1000, timeoutMs: 500, failures: 2, successes: 1 },
              networks: [vip(other.id, '10.0.2.9', 0x7fffffff, { localMark: 7, aliases: ['www', 'a.b'] }), vip(net.id, '10.0.1.200', 1)],
              ports: [
                port('udp', 65535, 1),
                port('sctp', 1, 65535, { externalTrafficPolicy: 'local', addresses: ['192.0.2.0/24', '192.0.2.1'], interfaces: ['eth0'] }),
                port('tcp', 1, 1, { mode: 'host' }),
                port('tcp', 65535, 80),
              ],
            }),
          ],
          endpoints: [
            endpoint('alone', service('web'), n1, {
              serviceId: null,
              addresses: [{ networkId: other.id, address: '10.0.9.4' }],
              flannel: { address: null, fixed: false },
            }),
            endpoint('web.1', service('web'), n1, {
              attachment: { pid: 4711 },
              weight: 0,
              aliases: ['first'],
              gatewayAddress: '192.168.240.3',
              presence: 'absent',
              health: 'unhealthy',
              drain: { revision: 3, deadline: 1_800_000_000_000, removes: true, drained: false },
              addresses: [
                { networkId: net.id, address: '10.0.1.4' },
                { networkId: other.id, address: '10.0.2.4' },
              ],
            }),
            endpoint('web.2', service('web'), n2, { gatewayAddress: '192.168.240.3', flannel: { address: '10.244.2.194', fixed: true } }),
          ],
          retired: [
            { pool: 'vni', networkId: null, value: '5000', revision: 4, holder: { kind: 'network', name: 'gone', serviceId: null } },
            { pool: 'address', networkId: net.id, value: '10.0.1.77', revision: 2, holder: { kind: 'endpoint', name: 'web.0', serviceId: idOf('serviceweb') } },
            { pool: 'mark', networkId: null, value: '300', revision: 4, holder: { kind: 'service', name: 'old', serviceId: null } },
          ],
          flannel,
          leases: [
            lease('10.244.2.0-24', { nodeId: n2.id, vni: 1, vtepMac: '02:00:00:00:00:02' }),
            lease('10.244.1.0-24', { reserved: true, backendType: 'host-gw' }),
            unreadable,
          ],
        });
        const { snapshot, changed } = await store.commit('a', note, rich);
        expect(changed).toBe(true);
        expect(snapshot.cluster.revision).toBe(1);
        expect(snapshot).toEqual({ ...rich(await store.snapshot('a')), cluster: snapshot.cluster });
        expect(await store.snapshot('a')).toBe(snapshot);
        expect(await (await reopen()).snapshot('a')).toEqual(snapshot);
      });

      it('makes no revision of what changes nothing', async () => {
        await newCluster(store, 'a');
        const first = await store.commit('a', note, all);
        const second = await store.commit('a', note, (s) => ({ ...s, nodes: new Map(s.nodes) }));
        expect(second).toEqual({ snapshot: first.snapshot, changed: false });
        expect(await store.revisions('a', { limit: 10 })).toHaveLength(1);
      });

      it('passes on what the edit throws, and writes nothing', async () => {
        await newCluster(store, 'a');
        const fault = new RangeError('Connection terminated');
        const throwing = (): Snapshot => {
          throw fault;
        };
        await expect(store.commit('a', note, throwing)).rejects.toBe(fault);
        expect((await store.snapshot('a')).cluster.revision).toBe(0);
      });

      it('writes leases and the flannel network that differ, and tells of them', async () => {
        await newCluster(store, 'a');
        const first = lease('10.244.1.0-24', { vtepMac: '02:00:00:00:00:01' });
        await store.commit('a', note, put({ flannel, leases: [first, unreadable] }));
        const moved = { ...first, vtepMac: '02:00:00:00:00:09' };
        const { snapshot } = await store.commit('a', note, put({ flannel: { ...flannel, masquerade: false, version: 2 }, leases: [moved] }));
        expect(await (await reopen()).snapshot('a')).toEqual(snapshot);
        await store.commit('a', note, put({ flannel: null, leases: [] }));
        const gone = await (await reopen()).snapshot('a');
        expect([gone.flannel, gone.flannelLeases.size]).toEqual([null, 0]);
        expect((await store.revisions('a', { limit: 3 })).map(({ changes }) => changes.map(({ action, kind, name: of }) => `${action} ${kind} ${of}`))).toEqual(
          [
            ['delete flannel 10.244.0.0/16', 'delete lease 10.244.1.0-24'],
            ['change flannel 10.244.0.0/16', 'change lease 10.244.1.0-24', 'delete lease nonsense'],
            ['create flannel 10.244.0.0/16', 'create lease 10.244.1.0-24', 'create lease nonsense'],
          ],
        );
      });

      it('keeps the order of the fields that go into the registry', async () => {
        await newCluster(store, 'a');
        await store.commit('a', note, put({ flannel }));
        expect(Object.keys((await (await reopen()).snapshot('a')).flannel?.registry ?? {})).toEqual(['IPv6Network', 'EnableIPv6']);
      });

      it('gives no address of the flannel network twice', async () => {
        await newCluster(store, 'a');
        await store.commit('a', note, all);
        const pod = { flannel: { address: '10.244.1.96', fixed: true } } as const;
        const twice = put({ endpoints: [endpoint('p1', web, n1, pod), endpoint('p2', web, n2, pod)] });
        await expect(store.commit('a', note, twice)).rejects.toMatchObject({ code: 'address-taken' });
      });

      it('serialises edits that come at once', async () => {
        await newCluster(store, 'a');
        const second = await reopen();
        await Promise.all(
          Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? store : second).commit('a', note, (s) => put({ services: [service(`s${s.services.size}`)] })(s))),
        );
        const snapshot = await store.snapshot('a');
        expect(snapshot.services.size).toBe(20);
        expect(snapshot.cluster.revision).toBe(20);
        expect(await second.snapshot('a')).toEqual(snapshot);
      });

      it('tells the edit which revision everybody has applied', async () => {
        const cluster = await newCluster(store, 'a');
        const retired = [{ pool: 'mark', networkId: null, value: '9', revision: 1, holder: { kind: 'service', name: 'old', serviceId: null } }] as const;
        await store.commit('a', note, (s) => put({ nodes: [n1, n2], retired })(s));
        const settled: number[] = [];
        const ask = (): Promise<unknown> =>
          store.commit('a', note, (s, revision) => {
            settled.push(revision);
            return s;
          });
        // Nobody ever reported, so nobody holds anything.
        await ask();
        const [first, second] = [stateOf('n1', '10.0.1.1'), stateOf('n2', '10.0.1.2')];
        await store.saveComputed(cluster, 1, [
          { nodeId: n1.id, changed: { state: first, plan: planTo(first) } },
          { nodeId: n2.id, changed: { state: second, plan: planTo(second) } },
        ]);
        await store.saveReport(n1.id, reportOn(first, 1));
        await ask();
        await store.saveReport(n2.id, reportOn(second, 1, { status: 'failed' }));
        await ask();
        await store.saveReport(n2.id, reportOn(second, 1));
        await ask();
        expect(settled).toEqual([1, 1, 0, 1]);
        // What is released is gone for every reader.
        const { snapshot } = await store.commit('a', note, put({ retired: [] }));
        expect(snapshot.retired).toEqual([]);
        expect(await (await reopen()).snapshot('a')).toEqual(snapshot);
      });

      it('changes settings', async () => {
        await newCluster(store, 'a');
        const { snapshot } = await store.commit('a', note, (s) => ({
          ...s,
          cluster: { ...s.cluster, settings: { ...s.cluster.settings, underlayMtu: 9000 } },
        }));
        expect(snapshot.cluster).toMatchObject({ revision: 1, settings: { underlayMtu: 9000 } });
        expect(await (await reopen()).snapshot('a')).toEqual(snapshot);
        expect((await store.revisions('a', { limit: 1 }))[0]?.changes).toEqual([{ action: 'change', kind: 'cluster', name: 'a' }]);
      });
    });

    describe('values that change hands within one commit', () => {
      beforeEach(async () => {
        await newCluster(store, 'a');
        await store.commit('a', note, all);
      });
      const committed = async (edit: (snapshot: Snapshot) => Snapshot): Promise<void> => {
        const { snapshot } = await store.commit('a', note, edit);
        expect(await (await reopen()).snapshot('a')).toEqual(snapshot);
      };

      it('two services swap VIPs, marks and published ports', () =>
        committed(
          put({
            services: [
              { ...web, networks: api.networks, ports: api.ports },
              { ...api, networks: web.networks, ports: web.ports },
            ],
          }),
        ));
      it('a mark moves to the other VIP of its service', () =>
        committed((s) =>
          put({
            services: [
              {
                ...web,
                networks: [vip(net.id, '10.0.1.99', 300), vip(other.id, '10.0.2.20', 302)],
              },
            ],
          })(s),
        ));
      it('two networks swap names, VNIs, subnets and the part of ingress', () =>
        committed((s) =>
          put({
            networks: [
              { ...net, name: 'other', vni: other.vni, subnet: '10.0.0.0/25', gateway: '10.0.1.1', ingress: true },
              { ...other, name: 'net', vni: net.vni, subnet: '10.0.0.128/25' },
            ],
          })(s),
        ));
      it('two nodes swap names and addresses', () =>
        committed((s) =>
          put({
            nodes: [
              { ...n1, name: 'n2', address: n2.address },
              { ...n2, name: 'n1', address: n1.address },
            ],
          })(s),
        ));
      it('a VIP becomes an endpoint address, and the gateway a VIP', () =>
        committed(
          put({
            networks: [{ ...net, gateway: '10.0.1.30' }],
            services: [{ ...web, networks: [vip(net.id, '10.0.1.1', 300)] }],
            endpoints: [{ ...web1, addresses: [{ networkId: net.id, address: '10.0.1.20' }] }],
          }),
        ));
      it('a service is replaced by another of its name, which takes its endpoint', () => {
        const successor = { ...web, id: idOf('successor') };
        return committed((s) => put({ services: [successor], endpoints: [{ ...web1, serviceId: successor.id }] })(remove(web.id)(s)));
      });
      it('an endpoint is replaced by another of its name and address', () =>
        committed((s) => put({ endpoints: [{ ...web1, id: idOf('successor') }] })(remove(web1.id)(s))));
      it('a network goes with all that was in it', () =>
        committed((s) =>
          put({
            nodes: [{ ...n1, loadBalancers: [] }],
            services: [
              { ...web, networks: [] },
              { ...api, networks: [] },
            ],
            endpoints: [{ ...web1, addresses: [] }],
          })(remove(net.id)(s)),
        ));
      it('everything goes', () => committed(remove(n1.id, n2.id, net.id, other.id, web.id, api.id, web1.id)));
      it('everything is replaced by the same under other ids', () =>
        committed((s) => {
          const empty = remove(n1.id, n2.id, net.id, other.id, web.id, api.id, web1.id)(s);
          const [m, w, x] = [
            { ...n1, id: idOf('m') },
            { ...web, id: idOf('w') },
            { ...net, id: idOf('x') },
          ];
          return put({
            nodes: [m],
            networks: [x],
            services: [{ ...w, networks: [vip(x.id, '10.0.1.20', 300)] }],
            endpoints: [{ ...endpoint('web.1', w, m), id: idOf('e'), addresses: [{ networkId: x.id, address: '10.0.1.30' }] }],
          })(empty);
        }));
    });

    describe('what the store itself refuses', () => {
      const cases: readonly (readonly [string, string, (snapshot: Snapshot) => Snapshot])[] = [
        ['a name of a node', 'duplicate-name', put({ nodes: [node('n1', 9, { id: idOf('x') })] })],
        ['a name of a network', 'duplicate-name', put({ networks: [network('net', 9, { id: idOf('x') })] })],
        ['a name of a service', 'duplicate-name', put({ services: [service('web', { id: idOf('x') })] })],
        ['a name of an endpoint', 'duplicate-name', put({ endpoints: [endpoint('web.1', web, n1, { id: idOf('x') })] })],
        ['an underlay address', 'address-taken', put({ nodes: [node('n3', 1)] })],
        ['a VIP', 'address-taken', put({ services: [service('x', { networks: [vip(net.id, '10.0.1.20', 400)] })] })],
        ['the gateway as endpoint address', 'address-taken', put({ endpoints: [{ ...web1, addresses: [{ networkId: net.id, address: '10.0.1.1' }] }] })],
        ['a VIP as load-balancer address', 'address-taken', put({ nodes: [{ ...n2, loadBalancers: [{ networkId: net.id, address: '10.0.1.21' }] }] })],
        ['a mark', 'mark-taken', put({ services: [service('x', { networks: [vip(other.id, '10.0.2.20', 300)] })] })],
        ['a VNI', 'vni-taken', put({ networks: [network('x', 9, { vni: net.vni })] })],
        ['a part of a subnet', 'subnet-overlap', put({ networks: [network('x', 9, { subnet: '10.0.1.128/25', gateway: '10.0.1.129' })] })],
        ['the whole of a subnet', 'subnet-overlap', put({ networks: [network('x', 9, { subnet: '10.0.0.0/16', gateway: '10.0.9.1' })] })],
        ['a second ingress', 'ingress-exists', put({ networks: [network('x', 8, { ingress: true }), network('y', 9, { ingress: true })] })],
        ['a published port', 'port-taken', put({ services: [service('x', { ports: [port('tcp', 8000, 1)] })] })],
        ['a service that is not there', 'unknown-reference', put({ endpoints: [endpoint('x', service('no'), n1)] })],
      ];

      it.each(cases)('%s twice: %s', async (_what, code, edit) => {
        await newCluster(store, 'a');
        const { snapshot } = await store.commit('a', note, all);
        await expect(store.commit('a', note, edit)).rejects.toMatchObject({ name: 'PortolanError', code });
        expect(await store.snapshot('a')).toBe(snapshot);
        expect(await (await reopen()).snapshot('a')).toEqual(snapshot);
      });

      it('a network that is in use', async () => {
        await newCluster(store, 'a');
        await store.commit('a', note, all);
        await expect(store.commit('a', note, remove(net.id))).rejects.toMatchObject({ code: expect.stringMatching(/in-use|unknown-reference/) });
      });

      it('nothing of what another cluster holds', async () => {
        await newCluster(store, 'a');
        await newCluster(store, 'b');
        await store.commit('a', note, all);
        const copy = (noun: string): { readonly id: string } => ({ id: idOf(`b${noun}`) });
        const theirs = { ...net, ...copy('net') };
        const edit = put({
          nodes: [{ ...n1, ...copy('n1') }],
          networks: [theirs],
          services: [{ ...web, ...copy('web'), networks: [vip(theirs.id, '10.0.1.20', 300)] }],
        });
        expect((await store.commit('b', note, edit)).changed).toBe(true);
      });
    });

    describe('revisions', () => {
      it('say who did what, newest first, in pages', async () => {
        await newCluster(store, 'a');
        await store.commit('a', { actor: 'rest', summary: 'one' }, all);
        await store.commit('a', { actor: 'graphql', summary: 'two' }, put({ services: [{ ...web, version: 2 }] }));
        await store.commit('a', { actor: 'rest', summary: 'three' }, (s) => put({ services: [service('x')] })(remove(web1.id)(s)));
        const [three, two] = await store.revisions('a', { limit: 2 });
        expect(three).toMatchObject({ revision: 3, actor: 'rest', summary: 'three' });
        expect(three?.changes).toEqual([
          { action: 'create', kind: 'service', name: 'x' },
          { action: 'delete', kind: 'endpoint', name: 'web.1' },
        ]);
        expect(two).toMatchObject({ revision: 2, actor: 'graphql', changes: [{ action: 'change', kind: 'service', name: 'web' }] });
        expect(Date.parse(two?.createdAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
        const rest = await store.revisions('a', { limit: 2, before: 2 });
        expect(rest.map(({ revision, changes }) => [revision, changes.length])).toEqual([[1, 7]]);
      });
    });
  });
}
