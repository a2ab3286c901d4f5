import type { RegistryEntry, RegistryView } from '@portolan/flannel';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FLANNEL_TTL_SECONDS, type FlannelRegistry } from '../src/ports.js';

export const prefix = '/coreos.com/network';
export const entry = (i: number, text = 'x'): { readonly key: string; readonly value: string; readonly reserved: boolean } => ({
  key: `10.${i >> 8}.${i & 255}.0-24`,
  value: `{"PublicIP":"${text}"}`,
  reserved: false,
});

/** What every FlannelRegistry promises. `subject` gives one that is empty. */
export function describeFlannelRegistry(name: string, subject: () => Promise<FlannelRegistry>): void {
  describe(`flannel's registry: ${name}`, () => {
    let registry: FlannelRegistry;
    beforeEach(async () => {
      registry = await subject();
    });
    afterEach(() => registry.close());

    async function held(key: string, of = prefix): Promise<RegistryEntry | null> {
      return (await registry.read(of)).subnets.get(key) ?? null;
    }
    /** The entry with what was written, that was not there before. */
    async function written(i: number, options: { readonly reserved?: boolean } = {}): Promise<RegistryEntry> {
      expect(await registry.write(prefix, { ...entry(i), ...options }, null)).toBe(true);
      const now = await held(entry(i).key);
      if (now === null) throw new Error('it is not there');
      return now;
    }

    it('is empty at first', async () => {
      expect(await registry.read(prefix)).toEqual({ config: null, subnets: new Map() });
    });

    it('has a configuration that only who saw the last one may change or remove', async () => {
      expect(await registry.writeConfig(prefix, 'a', '7')).toBe(false);
      expect(await registry.writeConfig(prefix, 'a', null)).toBe(true);
      expect(await registry.writeConfig(prefix, 'b', null)).toBe(false);
      const seen = (await registry.read(prefix)).config;
      expect(seen).toMatchObject({ value: 'a' });
      expect(await registry.writeConfig(prefix, 'b', seen?.modRevision ?? null)).toBe(true);
      expect(await registry.writeConfig(prefix, null, seen?.modRevision ?? null)).toBe(false);
      const newer = (await registry.read(prefix)).config;
      expect(await registry.writeConfig(prefix, null, newer?.modRevision ?? null)).toBe(true);
      expect((await registry.read(prefix)).config).toBeNull();
    });

    it('writes an entry with a TTL, or for good', async () => {
      const [leased, kept] = [await written(1), await written(2, { reserved: true })];
      expect(leased).toMatchObject({ key: '10.0.1.0-24', value: '{"PublicIP":"x"}' });
      expect([leased.leaseId === null, kept.leaseId]).toEqual([false, null]);
      const remaining = await registry.remaining([leased.leaseId ?? '']);
      const seconds = remaining.get(leased.leaseId ?? '') ?? 0;
      expect(seconds).toBeGreaterThan(FLANNEL_TTL_SECONDS - 60);
      expect(seconds).toBeLessThanOrEqual(FLANNEL_TTL_SECONDS);
    });

    it('changes an entry only for who saw the last one, and then its old lease is gone', async () => {
      const first = await written(1);
      expect(await registry.write(prefix, entry(1, 'y'), null)).toBe(false);
      expect(await registry.write(prefix, entry(1, 'y'), first)).toBe(true);
      expect(await registry.write(prefix, entry(1, 'z'), first)).toBe(false);
      const second = await held(entry(1).key);
      expect(second?.value).toBe('{"PublicIP":"y"}');
      expect([...(await registry.remaining([first.leaseId ?? '', second?.leaseId ?? ''])).keys()]).toEqual([second?.leaseId]);
      // Kept for good, and back.
      expect(await registry.write(prefix, { ...entry(1), reserved: true }, second)).toBe(true);
      expect((await held(entry(1).key))?.leaseId).toBeNull();
      expect(await registry.remaining([second?.leaseId ?? ''])).toEqual(new Map());
      expect(await registry.write(prefix, entry(1), await held(entry(1).key))).toBe(true);
      expect((await held(entry(1).key))?.leaseId).not.toBeNull();
    });

    it('has one winner of a race, whatever the number of them', async () => {
      const results = await Promise.all(Array.from({ length: 10 }, (_, i) => registry.write(prefix, entry(1, String(i)), null)));
      expect(results.filter((won) => won)).toHaveLength(1);
      expect((await held(entry(1).key))?.value).toBe(`{"PublicIP":"${results.indexOf(true)}"}`);
    });

    it('removes an entry only for who saw the last one, with its lease', async () => {
      const first = await written(1);
      await registry.write(prefix, entry(1, 'y'), first);
      expect(await registry.remove(prefix, first)).toBe(false);
      const second = (await held(entry(1).key)) ?? first;
      expect(await registry.remove(prefix, second)).toBe(true);
      expect(await held(entry(1).key)).toBeNull();
      expect(await registry.remaining([second.leaseId ?? ''])).toEqual(new Map());
      expect(await registry.remove(prefix, second)).toBe(false);
    });

    it('renews leases without writing, and says which are gone', async () => {
      const before = [await written(1), await written(2)];
      const gone = await written(3);
      await registry.remove(prefix, gone);
      expect(await registry.renew([...before, gone].map(({ leaseId }) => leaseId ?? ''))).toEqual([gone.leaseId]);
      expect(await registry.renew([])).toEqual([]);
      expect([...(await registry.read(prefix)).subnets.values()]).toEqual(before);
    });

    it('keeps prefixes apart, also one below another', async () => {
      await registry.write('/a', entry(1), null);
      await registry.write('/a/b', entry(2), null);
      await registry.writeConfig('/ab', 'ab', null);
      await registry.writeConfig('/a/b', 'b', null);
      expect([await registry.read('/a'), await registry.read('/a/b')]).toMatchObject([{ config: null }, { config: { value: 'b' } }]);
      expect([[...(await registry.read('/a')).subnets.keys()], [...(await registry.read('/a/b')).subnets.keys()]]).toEqual([['10.0.1.0-24'], ['10.0.2.0-24']]);
    });

    it('shows what is there, what comes, changes and goes, until told to stop', async () => {
      const first = await written(1);
      const views: (RegistryView | undefined)[] = [];
      const stop = await registry.watch(prefix, (view) => views.push(view));
      expect(views).toEqual([{ config: null, subnets: new Map([[first.key, first]]) }]);
      await registry.writeConfig(prefix, 'c', null);
      await vi.waitFor(() => expect(views.at(-1)?.config?.value).toBe('c'));
      await registry.write(prefix, entry(1, 'y'), first);
      await vi.waitFor(() => expect(views.at(-1)?.subnets.get(first.key)?.value).toBe('{"PublicIP":"y"}'));
      const second = views.at(-1)?.subnets.get(first.key) ?? first;
      await registry.remove(prefix, second);
      await vi.waitFor(() => expect(views.at(-1)?.subnets.size).toBe(0));
      // What was said before is left as it was.
      expect(views[0]?.subnets.get(first.key)).toEqual(first);
      await stop();
      const before = views.length;
      await registry.write(prefix, entry(2), null);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(views).toHaveLength(before);
    });
  });
}
