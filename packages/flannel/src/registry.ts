/** An entry of flannel's registry. */
export interface RegistryEntry {
  /** Name of the key below PREFIX/subnets/. */
  readonly key: string;
  /** As it is in etcd. */
  readonly value: string;
  /** Revision of etcd that last wrote it; decimal, for they have 64 bits. */
  readonly modRevision: string;
  /** Lease of etcd that it goes with; null for a reservation. Decimal. */
  readonly leaseId: string | null;
}

/** flannel's registry at one revision of etcd. */
export interface RegistryView {
  /** Value of PREFIX/config; null when there is none. */
  readonly config: { readonly value: string; readonly modRevision: string } | null;
  /** By name of the key. */
  readonly subnets: ReadonlyMap<string, RegistryEntry>;
}
