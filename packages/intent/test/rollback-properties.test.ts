import { checkSnapshot } from '@portolan/check';
import { applyManifest, manifestOf, rollbackEdit } from '@portolan/intent';
import { sameAttachment } from '@portolan/ipam';
import { type Id, type Manifest, nounCollections, nounKinds, PortolanError, type Service, type Snapshot } from '@portolan/model';
import { emptySnapshot, manifestArbitrary, seededIds } from '@portolan/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { live, lives, NOW } from './lives.js';

interface Went {
  readonly past: Snapshot;
  readonly current: Snapshot;
}

/** From the last snapshot of a life back to the first, to one in its middle, and to the one before. */
function eachWay(each: (went: Went) => void, numRuns: number): void {
  fc.assert(
    fc.property(lives, (events) => {
      const all = [emptySnapshot()];
      live(events, (_before, after) => all.push(after));
      const [current] = all.slice(-1);
      if (current === undefined) return;
      for (const i of new Set([0, Math.floor(all.length / 3), Math.floor(all.length / 2), all.length - 2])) {
        const past = all[i];
        if (past !== undefined) each({ past, current });
      }
    }),
    { numRuns },
  );
}

const back = ({ past, current }: Went, force: boolean): Snapshot => rollbackEdit(current, past, seededIds(77), { now: NOW, force });

const blocks = (snapshot: Snapshot) => checkSnapshot(snapshot).filter(({ severity }) => severity === 'block');

/** What was wanted then, with the ids of networks that are there under their names. */
function wantedThen({ past, current }: Went): Required<Manifest> {
  const ids = new Map([...current.networks.values()].map(({ name, id }) => [name, id]));
  const manifest = manifestOf(past);
  return { ...manifest, networks: manifest.networks.map((own) => ({ ...own, id: ids.get(own.name) ?? own.id ?? '' })) };
}

/** Without what another object may have by now. */
function withoutValues({ networks, services, endpoints, ...rest }: Required<Manifest>): object {
  return {
    ...rest,
    networks: networks.map(({ id: _id, vni: _vni, gateway: _gateway, extraSubnets, ...own }) => ({
      ...own,
      extraSubnets: extraSubnets?.map(({ subnet }) => subnet),
    })),
    services: services.map(({ networks: at, ...own }) => ({
      ...own,
      networks: at?.map(({ vip, mark, ...all }) => ({ ...all, vip: vip !== undefined, mark: mark !== undefined })),
    })),
    endpoints: endpoints.map(({ addresses, flannel, ...own }) => ({
      ...own,
      addresses: addresses?.map(({ network }) => network),
      flannel: flannel !== undefined,
    })),
  };
}

/** What the objects of a snapshot had, or gave up: nobody else could have it at once. */
function heldBy({ networks, nodes, services, endpoints, retired }: Snapshot): ReadonlySet<string> {
  const at = (networkId: Id | null, value: string | number | null): string => `${networks.get(networkId ?? '')?.name} ${value}`;
  return new Set([
    ...retired.map(({ networkId, value }) => at(networkId, value)),
    ...[...networks.values()].flatMap(({ id, vni, gateway, extraSubnets }) => [
      at(null, vni),
      at(id, gateway),
      ...extraSubnets.flatMap((own) => [at(null, own.vni), at(id, own.gateway)]),
    ]),
    ...[...nodes.values()].flatMap(({ loadBalancers }) => loadBalancers.map((own) => at(own.networkId, own.address))),
    ...[...services.values()].flatMap((own) =>
      own.networks.flatMap(({ networkId, address, mark, localMark }) => [at(networkId, address), at(null, mark), at(null, localMark)]),
    ),
    ...[...endpoints.values()].flatMap(({ addresses }) => addresses.map((own) => at(own.networkId, own.address))),
    ...[...endpoints.values()].map(({ flannel }) => `flannel ${flannel?.address}`),
  ]);
}

/** The values of a manifest that another object may have. */
function valuesOf({ networks, services, endpoints }: Required<Manifest>): readonly string[] {
  return [
    ...networks.flatMap(({ name, vni, gateway, extraSubnets = [] }) => [
      `undefined ${vni}`,
      `${name} ${gateway}`,
      ...extraSubnets.flatMap((own) => [`undefined ${own.vni}`, `${name} ${own.gateway}`]),
    ]),
    ...services.flatMap((own) => (own.networks ?? []).flatMap(({ network, vip, mark }) => [`${network} ${vip ?? null}`, `undefined ${mark ?? null}`])),
    ...endpoints.flatMap((own) => (own.addresses ?? []).map(({ network, address }) => `${network} ${address}`)),
    ...endpoints.flatMap(({ flannel }) => (flannel?.address === undefined ? [] : [`flannel ${flannel.address}`])),
  ];
}

/** What was given to whom, also what no manifest says: addresses of load balancers and on gateway bridges, marks of policy local. */
function givenIn({ networks, nodes, services, endpoints }: Snapshot): ReadonlySet<string> {
  const name = (id: Id): string | undefined => networks.get(id)?.name;
  return new Set([
    ...[...networks.values()].map((own) => `network ${own.name} ${own.vni} ${own.gateway} ${JSON.stringify(own.extraSubnets)}`),
    ...[...nodes.values()].flatMap((own) => own.loadBalancers.map(({ networkId, address }) => `node ${own.name} ${name(networkId)} ${address}`)),
    ...[...services.values()].flatMap((own) =>
      own.networks.map(({ networkId, address, mark, localMark }) => `service ${own.name} ${name(networkId)} ${address} ${mark} ${localMark}`),
    ),
    ...[...endpoints.values()].flatMap((own) => [
      `endpoint ${own.name} ${own.gatewayAddress} ${own.flannel?.address}`,
      ...own.addresses.map(({ networkId, address }) => `endpoint ${own.name} ${name(networkId)} ${address}`),
    ]),
  ]);
}

describe('going back from any life', () => {
  it('by force leads to what was wanted, but for values that another has or gave up', () => {
    let [same, other] = [0, 0];
    eachWay((went) => {
      const after = back(went, true);
      const [wanted, is] = [wantedThen(went), manifestOf(after)];
      expect(withoutValues(is)).toEqual(withoutValues(wanted));
      expect(blocks(after)).toEqual([]);
      const [held, has] = [heldBy(went.current), new Set(valuesOf(is))];
      const lost = valuesOf(wanted).filter((value) => !has.has(value));
      for (const value of lost) expect(held.has(value), value).toBe(true);
      other += lost.length;
      same += has.size;
      // What somebody else still had may be free the second time.
      const given = givenIn(after);
      if ([...givenIn(went.past)].every((own) => given.has(own))) expect(back({ past: went.past, current: after }, true)).toBe(after);
    }, 12);
    expect(same).toBeGreaterThan(other);
  });

  it('takes one change back whole, with what no spec says', () => {
    let [gateways, changes] = [0, 0];
    fc.assert(
      fc.property(lives, manifestArbitrary(), (events, manifest) => {
        let past = emptySnapshot();
        live(events, (_before, after) => {
          past = after;
        });
        const changed = applyManifest(past, manifest, seededIds(78), { now: NOW, force: true });
        const current = { ...changed, cluster: { ...changed.cluster, revision: past.cluster.revision + 1 } };
        const after = back({ past, current }, true);
        expect(manifestOf(after)).toEqual(manifestOf(past));
        expect(blocks(after)).toEqual([]);
        if (current.nodes !== past.nodes) changes++;
        const nodeNames = new Map([...past.nodes.values()].map(({ id, name }) => [id, name]));
        for (const was of past.services.values()) {
          const localMarks = (own: Service | undefined) => own?.networks.map(({ networkId, localMark }) => `${networkId} ${localMark}`).sort();
          expect(localMarks(after.services.get(was.id))).toEqual(localMarks(was));
        }
        for (const was of past.endpoints.values()) {
          if (was.drain?.removes === true) continue;
          expect(after.endpoints.get(was.id)?.gatewayAddress).toBe(was.gatewayAddress);
          if (was.gatewayAddress !== null) gateways++;
        }
        for (const own of after.nodes.values()) {
          const was = [...past.nodes].find(([, { name }]) => name === own.name)?.[1];
          expect(nodeNames.has(was?.id ?? '')).toBe(true);
          // Some take no part any more in a network that only leaving endpoints were in.
          expect(was?.loadBalancers).toEqual(expect.arrayContaining([...own.loadBalancers]));
        }
      }),
      { numRuns: 30 },
    );
    expect([gateways > 0, changes > 5]).toEqual([true, true]);
  });

  it('is refused without force only where what drains is in the way', () => {
    let [done, refused] = [0, 0];
    eachWay((went) => {
      try {
        const after = back(went, false);
        done++;
        expect(withoutValues(manifestOf(after))).toEqual(withoutValues(manifestOf(went.past)));
        expect(blocks(after)).toEqual([]);
        for (const { id, name, drain, attachment } of went.current.endpoints.values()) {
          const now = after.endpoints.get(id);
          const isBack = [...went.past.endpoints.values()].some((own) => own.name === name && own.drain?.removes !== true);
          if (now !== undefined && !isBack) expect(now.drain?.removes).toBe(true);
          const isSame = now !== undefined && sameAttachment(now.attachment, attachment);
          if (isSame && isBack && drain?.removes !== true) expect(now.drain).toEqual(drain);
        }
      } catch (error) {
        if (!(error instanceof PortolanError)) throw error;
        refused++;
        for (const { code } of error.problems) expect(['port-taken', 'immutable-field', 'in-use']).toContain(code);
      }
    }, 15);
    expect(done).toBeGreaterThan(refused);
  });

  it('gives what was deleted its id again, but for nodes', () => {
    let again = 0;
    eachWay((went) => {
      const after = back(went, true);
      for (const kind of nounKinds) {
        const [past, current, now] = [went.past, went.current, after].map(
          (own) => new Map([...own[nounCollections[kind]].values()].map(({ name, id }) => [name, id])),
        );
        for (const [name, id] of past ?? []) {
          const kept = current?.get(name);
          if (now?.get(name) === undefined || (kind === 'endpoint' && kept !== undefined)) continue;
          if (kept !== undefined) expect(now.get(name)).toBe(kept);
          else if (kind === 'node') expect(now.get(name)).not.toBe(id);
          else {
            expect(now.get(name)).toBe(id);
            again++;
          }
        }
      }
    }, 15);
    expect(again).toBeGreaterThan(0);
  });
});
