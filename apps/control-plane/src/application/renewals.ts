/** When this process last renewed the leases of the nodes of each cluster, in milliseconds of the monotonic clock. */
export class Renewals {
  readonly #renewed = new Map<string, Map<string, number>>();

  note(cluster: string, leaseIds: readonly string[], at: number): void {
    const renewed = this.#renewed.get(cluster) ?? new Map<string, number>();
    for (const id of leaseIds) renewed.set(id, at);
    this.#renewed.set(cluster, renewed);
  }

  /** Forgets the leases that are no longer there. */
  keep(cluster: string, leaseIds: ReadonlySet<string>): void {
    const renewed = this.#renewed.get(cluster);
    for (const id of [...(renewed?.keys() ?? [])]) if (!leaseIds.has(id)) renewed?.delete(id);
    if (leaseIds.size === 0) this.#renewed.delete(cluster);
  }

  /** Undefined: not by this process. */
  at(cluster: string, leaseId: string): number | undefined {
    return this.#renewed.get(cluster)?.get(leaseId);
  }

  /** When the lease was renewed that will end first; undefined when none was. */
  oldest(cluster: string): number | undefined {
    let oldest: number | undefined;
    for (const at of this.#renewed.get(cluster)?.values() ?? []) oldest = Math.min(oldest ?? at, at);
    return oldest;
  }
}
