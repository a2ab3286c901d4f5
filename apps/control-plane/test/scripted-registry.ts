import type { RegistryView } from '@portolan/flannel';
import { FLANNEL_PREFIX } from '@portolan/model';
import type { FlannelRegistry } from '@portolan/store';
import { type MemoryFlannelRegistry, openMemoryFlannelRegistry } from '@portolan/store/memory';

/** The twin of the registry, with somebody who can be faster than we are, and with what was asked of it. */
export class ScriptedRegistry implements FlannelRegistry {
  readonly #twin: MemoryFlannelRegistry = openMemoryFlannelRegistry();
  /** Runs before each write of ours, with the key. */
  beforeWrite: (key: string) => void = () => undefined;
  /** Ids that were renewed, call by call. */
  readonly renewed: (readonly string[])[] = [];

  /** As flanneld writes: the whole value again, with a new lease. */
  put(key: string, value: string): void {
    this.#twin.put(FLANNEL_PREFIX, key, value);
  }

  /** As when its lease has ended. */
  async expire(key: string): Promise<void> {
    const entry = (await this.#twin.read(FLANNEL_PREFIX)).subnets.get(key);
    this.#twin.expire([entry?.leaseId ?? '']);
  }

  /** etcd does not answer, until it does. */
  setReachable(isReachable: boolean): void {
    this.#twin.setReachable(isReachable);
  }

  /** etcd goes away, and has nothing any more when it comes back. */
  async lose(): Promise<void> {
    const { config, subnets } = await this.#twin.read(FLANNEL_PREFIX);
    this.#twin.expire([...subnets.values()].map(({ leaseId }) => leaseId ?? ''));
    const lost = this.#twin.writeConfig(FLANNEL_PREFIX, null, config?.modRevision ?? null);
    this.setReachable(false);
    await lost;
  }

  async configure(value: string): Promise<void> {
    await this.#twin.writeConfig(FLANNEL_PREFIX, value, null);
  }

  /** By key. */
  async values(): Promise<Readonly<Record<string, string>>> {
    return Object.fromEntries([...(await this.#twin.read(FLANNEL_PREFIX)).subnets.values()].map(({ key, value }) => [key, value]));
  }

  async config(): Promise<unknown> {
    const value = (await this.#twin.read(FLANNEL_PREFIX)).config?.value;
    return value === undefined ? null : JSON.parse(value);
  }

  read(prefix: string): Promise<RegistryView> {
    return this.#twin.read(prefix);
  }
  watch(...call: Parameters<FlannelRegistry['watch']>): Promise<() => Promise<void>> {
    return this.#twin.watch(...call);
  }
  writeConfig(...call: Parameters<FlannelRegistry['writeConfig']>): Promise<boolean> {
    return this.#twin.writeConfig(...call);
  }
  write(...[prefix, entry, seen]: Parameters<FlannelRegistry['write']>): Promise<boolean> {
    this.beforeWrite(entry.key);
    return this.#twin.write(prefix, entry, seen);
  }
  remove(...call: Parameters<FlannelRegistry['remove']>): Promise<boolean> {
    return this.#twin.remove(...call);
  }
  renew(leaseIds: readonly string[]): Promise<readonly string[]> {
    this.renewed.push(leaseIds);
    return this.#twin.renew(leaseIds);
  }
  remaining(leaseIds: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#twin.remaining(leaseIds);
  }
  close(): Promise<void> {
    return this.#twin.close();
  }
}
