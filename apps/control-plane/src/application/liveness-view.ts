import type { Liveness } from '@portolan/protocol';

/** What etcd last said about the agents. Nobody is up or down as long as etcd has not answered, or no longer answers. */
export class LivenessView {
  readonly #alive = new Map<string, ReadonlyMap<string, Liveness>>();
  #reachable = true;

  /** True when somebody came or went. */
  set(cluster: string, alive: ReadonlyMap<string, Liveness>): boolean {
    const before = this.#alive.get(cluster);
    this.#alive.set(cluster, alive);
    return before === undefined || before.size !== alive.size || [...alive.keys()].some((node) => !before.has(node));
  }

  /** True when that is news. */
  setReachable(reachable: boolean): boolean {
    const news = this.#reachable !== reachable;
    this.#reachable = reachable;
    return news;
  }

  forget(cluster: string): void {
    this.#alive.delete(cluster);
  }

  /** null: unknown. */
  isAlive(cluster: string, node: string): boolean | null {
    const alive = this.#alive.get(cluster);
    return alive === undefined || !this.#reachable ? null : alive.has(node);
  }
}
