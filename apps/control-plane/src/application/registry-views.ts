import type { RegistryView } from '@portolan/flannel';

/** What etcd last said about flannel's registry of each cluster. Nothing is written or concluded as long as it does not answer. */
export class RegistryViews {
  readonly #views = new Map<string, RegistryView>();

  /** Undefined: etcd does not answer. True when that is news. */
  set(cluster: string, view: RegistryView | undefined): boolean {
    const before = this.#views.get(cluster);
    if (view === undefined) this.#views.delete(cluster);
    else this.#views.set(cluster, view);
    return before !== view;
  }

  /** Undefined as long as etcd has not answered, or no longer answers, and without a flannel network. */
  of(cluster: string): RegistryView | undefined {
    return this.#views.get(cluster);
  }
}
