import type { Endpoint, EndpointSpec, Id, Manifest, Network, NetworkSpec, Node, NodeSpec, NounKind, Service, ServiceSpec, Snapshot } from '@portolan/model';

/** Where new ids come from; randomness is passed in. */
export type NewId = () => Id;

export interface NounSpecs {
  node: NodeSpec;
  network: NetworkSpec;
  service: ServiceSpec;
  endpoint: EndpointSpec;
}
export interface Nouns {
  node: Node;
  network: Network;
  service: Service;
  endpoint: Endpoint;
}

/** The contract that this package fulfils; each is exported as a function of the same name. */
export interface IntentEdits {
  /** Validates against the model's schema. Throws a PortolanError with one problem for each fault (at most 20), its path a JSON pointer. */
  parseSpec<K extends NounKind>(kind: K, value: unknown): NounSpecs[K];
  parseManifest(value: unknown): Manifest;
  /** Makes the snapshot what the manifest says: see ManifestSchema. The same snapshot object when nothing changes. */
  applyManifest(snapshot: Snapshot, manifest: Manifest, newId: NewId): Snapshot;
  createNoun<K extends NounKind>(snapshot: Snapshot, kind: K, spec: NounSpecs[K], newId: NewId): Snapshot;
  /** `version`: fails with `precondition-failed` unless it is the object's. Values left out keep what was allocated. */
  replaceNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, spec: NounSpecs[K], newId: NewId, version?: number): Snapshot;
  /** JSON merge patch (RFC 7396) of the object's spec. */
  patchNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string, patch: unknown, newId: NewId, version?: number): Snapshot;
  deleteNoun(snapshot: Snapshot, kind: NounKind, name: string, version?: number): Snapshot;
  patchSettings(snapshot: Snapshot, patch: unknown): Snapshot;
  /** Notes what a node's agent saw of its endpoints' namespaces. Ids of other nodes' or unknown endpoints are ignored. */
  setPresence(snapshot: Snapshot, nodeId: Id, seen: Readonly<Record<Id, 'present' | 'absent'>>): Snapshot;
  findNoun<K extends NounKind>(snapshot: Snapshot, kind: K, name: string): Nouns[K] | undefined;
  /** The object as a spec with every value filled in: sending it back changes nothing. */
  specOf<K extends NounKind>(snapshot: Snapshot, kind: K, noun: Nouns[K]): NounSpecs[K];
  manifestOf(snapshot: Snapshot): Manifest;
}
