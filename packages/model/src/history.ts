import type { Flannel, FlannelLease } from './flannel.js';
import type { ClusterSettings, Id } from './nouns.js';
import { type Change, type Endpoint, type Network, type Node, nounCollections, type Service, type Snapshot, type SnapshotDifference } from './snapshot.js';

type Image = ClusterSettings | Node | Network | Service | Endpoint | Flannel | FlannelLease;

/** A change with what is needed to take it back. */
export interface ImagedChange extends Change {
  /** Id of the object, of a lease its key, of settings and of the flannel network that of the cluster. */
  readonly objectId: Id;
  /** The object as it was; null where it was created. Of `cluster` the settings. */
  readonly before: Image | null;
}

/** The changes, as `changesOf` gives them, with their images. */
export function imagedChanges(changes: readonly Change[], before: Snapshot, difference: SnapshotDifference): readonly ImagedChange[] {
  const nouns = {
    node: imagesByName(difference.nodes),
    network: imagesByName(difference.networks),
    service: imagesByName(difference.services),
    endpoint: imagesByName(difference.endpoints),
    lease: imagesOfLeases(difference.flannelLeases),
  };
  const { id, settings } = before.cluster;
  return changes.map((change): ImagedChange => {
    if (change.kind === 'cluster') return { ...change, objectId: id, before: settings };
    if (change.kind === 'flannel') return { ...change, objectId: id, before: before.flannel };
    const image = nouns[change.kind].get(`${change.action} ${change.name}`);
    if (image === undefined) throw new Error(`the ${change.kind} ${change.name} is among the changes but not in the difference`);
    return { ...change, ...image };
  });
}

type ImageOf = Pick<ImagedChange, 'objectId' | 'before'>;

function imagesByName({ created, changed, deleted }: SnapshotDifference['nodes' | 'networks' | 'services' | 'endpoints']): ReadonlyMap<string, ImageOf> {
  return new Map<string, ImageOf>([
    ...created.map(({ id, name }) => [`create ${name}`, { objectId: id, before: null }] as const),
    ...changed.map(({ before, after }) => [`change ${after.name}`, { objectId: before.id, before }] as const),
    ...deleted.map((noun) => [`delete ${noun.name}`, { objectId: noun.id, before: noun }] as const),
  ]);
}

function imagesOfLeases({ created, changed, deleted }: SnapshotDifference['flannelLeases']): ReadonlyMap<string, ImageOf> {
  return new Map<string, ImageOf>([
    ...created.map(({ key }) => [`create ${key}`, { objectId: key, before: null }] as const),
    ...changed.map(({ before }) => [`change ${before.key}`, { objectId: before.key, before }] as const),
    ...deleted.map((lease) => [`delete ${lease.key}`, { objectId: lease.key, before: lease }] as const),
  ]);
}

/**
 * The snapshot at an earlier revision, by the oldest image of each object that was changed since. `retired` stays: what nodes hold now has
 * no past.
 */
export function rewound(after: Snapshot, revision: number, changes: readonly Pick<ImagedChange, 'kind' | 'objectId' | 'before'>[]): Snapshot {
  let { settings } = after.cluster;
  let { flannel } = after;
  const maps = {
    nodes: new Map<Id, unknown>(after.nodes),
    networks: new Map<Id, unknown>(after.networks),
    services: new Map<Id, unknown>(after.services),
    endpoints: new Map<Id, unknown>(after.endpoints),
    flannelLeases: new Map<Id, unknown>(after.flannelLeases),
  };
  for (const { kind, objectId, before } of changes) {
    if (kind === 'cluster') settings = before as ClusterSettings;
    else if (kind === 'flannel') flannel = before as Flannel | null;
    else {
      const map = maps[kind === 'lease' ? 'flannelLeases' : nounCollections[kind]];
      if (before === null) map.delete(objectId);
      else map.set(objectId, before);
    }
  }
  return {
    ...after,
    ...(maps as Pick<Snapshot, keyof typeof maps>),
    flannel,
    cluster: { ...after.cluster, settings, revision },
  };
}
