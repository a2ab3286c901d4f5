import type { RegistryEntry, RegistryView } from '@portolan/flannel';
import { portolanError } from '@portolan/model';
import { FLANNEL_TTL_SECONDS, type FlannelRegistry } from '../ports.js';

/** The twin, and what only a test does to a registry. */
export interface MemoryFlannelRegistry extends FlannelRegistry {
  /** As flanneld writes: whatever is there, with a new lease, or without one. */
  put(prefix: string, key: string, value: string, options?: { readonly reserved: boolean }): void;
  /** Leases end, and with them their entries. */
  expire(leaseIds: readonly string[]): void;
  /** False: every call fails and every watch says so, until it is true again. */
  setReachable(isReachable: boolean): void;
}

interface Registry {
  config: RegistryView['config'];
  readonly subnets: Map<string, RegistryEntry>;
  readonly watchers: Set<(view: RegistryView | undefined) => void>;
}

/** Twin of flannel's registry over etcd. Each write is told at once; there is no time in it, so leases end only when a test says so. */
export function openMemoryFlannelRegistry(): MemoryFlannelRegistry {
  const registries = new Map<string, Registry>();
  const leases = new Set<string>();
  let [revision, lastLease, isReachable] = [1, 0, true];

  const registryOf = (prefix: string): Registry => {
    const registry = registries.get(prefix) ?? { config: null, subnets: new Map(), watchers: new Set() };
    registries.set(prefix, registry);
    return registry;
  };
  const viewOf = ({ config, subnets }: Registry): RegistryView => ({ config, subnets: new Map([...subnets].sort(([a], [b]) => (a < b ? -1 : 1))) });

  function tell(registry: Registry): void {
    for (const watcher of registry.watchers) watcher(isReachable ? viewOf(registry) : undefined);
  }

  function needReachable(): void {
    if (!isReachable) throw portolanError('store-unavailable', '', 'etcd cannot be reached: it was taken away by a test');
  }

  function newLease(): string {
    lastLease += 1;
    leases.add(String(lastLease));
    return String(lastLease);
  }

  function revokeUnused(leaseId: string | null): void {
    const isUsed = [...registries.values()].some(({ subnets }) => [...subnets.values()].some((entry) => entry.leaseId === leaseId));
    if (leaseId !== null && !isUsed) leases.delete(leaseId);
  }

  function put(prefix: string, key: string, value: string, { reserved }: { readonly reserved: boolean } = { reserved: false }): void {
    const registry = registryOf(prefix);
    revision += 1;
    registry.subnets.set(key, { key, value, modRevision: String(revision), leaseId: reserved ? null : newLease() });
    tell(registry);
  }

  return {
    put,
    async read(prefix) {
      needReachable();
      return viewOf(registryOf(prefix));
    },
    async watch(prefix, onView) {
      const { watchers } = registryOf(prefix);
      watchers.add(onView);
      onView(isReachable ? viewOf(registryOf(prefix)) : undefined);
      return async () => {
        watchers.delete(onView);
      };
    },
    async writeConfig(prefix, value, seen) {
      needReachable();
      const registry = registryOf(prefix);
      if ((registry.config?.modRevision ?? null) !== seen) return false;
      revision += 1;
      registry.config = value === null ? null : { value, modRevision: String(revision) };
      tell(registry);
      return true;
    },
    async write(prefix, { key, value, reserved }, seen) {
      needReachable();
      if (registryOf(prefix).subnets.get(key)?.modRevision !== seen?.modRevision) return false;
      put(prefix, key, value, { reserved });
      revokeUnused(seen?.leaseId ?? null);
      return true;
    },
    async remove(prefix, seen) {
      needReachable();
      const registry = registryOf(prefix);
      if (registry.subnets.get(seen.key)?.modRevision !== seen.modRevision) return false;
      registry.subnets.delete(seen.key);
      revokeUnused(seen.leaseId);
      tell(registry);
      return true;
    },
    async renew(leaseIds) {
      needReachable();
      return leaseIds.filter((id) => !leases.has(id));
    },
    async remaining(leaseIds) {
      needReachable();
      return new Map(leaseIds.filter((id) => leases.has(id)).map((id) => [id, FLANNEL_TTL_SECONDS]));
    },
    expire(leaseIds) {
      const gone = new Set(leaseIds);
      for (const id of gone) leases.delete(id);
      for (const registry of registries.values()) {
        const ended = [...registry.subnets.values()].filter(({ leaseId }) => leaseId !== null && gone.has(leaseId));
        for (const { key } of ended) registry.subnets.delete(key);
        if (ended.length > 0) tell(registry);
      }
    },
    setReachable(value) {
      isReachable = value;
      for (const registry of registries.values()) tell(registry);
    },
    async close() {
      for (const { watchers } of registries.values()) watchers.clear();
    },
  };
}
