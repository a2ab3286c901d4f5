import { type Id, type Manifest, type NounKind, nounCollections, type Snapshot } from '@portolan/model';
import { Edit } from './edit.js';
import { nounsOf } from './find.js';
import { MAX_PROBLEMS } from './problems.js';
import { refuseChangedNetworks, refuseDangling, settleIngress } from './references.js';
import { resolveSpec } from './resolve.js';
import { keptOrNew } from './settings.js';
import { specOf } from './specs.js';
import type { NewId, NounSpecs, Nouns } from './types.js';
import { settingsProblems } from './values.js';

/**
 * Makes the snapshot what the manifest says: a section that is there is complete, one that is left out is left alone,
 * settings that are left out stay. The whole is one change: what one section frees another can use, whatever their
 * order. The same snapshot object when nothing changes. Throws all problems, at most 20, with pointers into the manifest.
 */
export function applyManifest(snapshot: Snapshot, manifest: Manifest, newId: NewId): Snapshot {
  const edit = new Edit(snapshot);
  if (manifest.settings !== undefined) {
    edit.settingsPath = '/settings';
    edit.settings = keptOrNew(snapshot.cluster.settings, { ...snapshot.cluster.settings, ...manifest.settings });
    edit.problems.push(...settingsProblems(edit.settings, edit.settingsPath));
  }
  // All names first, so that any section can refer to any other; services after networks, endpoints after both.
  const nodes = declareSection(edit, 'node', manifest.nodes, newId);
  const networks = declareSection(edit, 'network', manifest.networks, newId);
  const services = declareSection(edit, 'service', manifest.services, newId);
  const endpoints = declareSection(edit, 'endpoint', manifest.endpoints, newId);
  resolveSection(edit, nodes);
  resolveSection(edit, networks);
  resolveSection(edit, services);
  settleIngress(edit);
  resolveSection(edit, endpoints);
  // Specs with problems have no drafts yet, so who uses what cannot be told before they are corrected.
  if (edit.problems.length === 0) {
    refuseChangedNetworks(edit);
    refuseDangling(edit, (kind) => `/${nounCollections[kind]}`);
  }
  return edit.result();
}

/** The whole intent as a manifest, by name: applying it changes nothing. */
export function manifestOf(snapshot: Snapshot): Required<Manifest> {
  return {
    settings: snapshot.cluster.settings,
    nodes: specsOf(snapshot, 'node'),
    networks: specsOf(snapshot, 'network'),
    services: specsOf(snapshot, 'service'),
    endpoints: specsOf(snapshot, 'endpoint'),
  };
}

function specsOf<K extends NounKind>(snapshot: Snapshot, kind: K): NounSpecs[K][] {
  return [...nounsOf(snapshot, kind).values()].sort(byName).map((noun) => specOf(snapshot, kind, noun));
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

interface Section<K extends NounKind> {
  readonly kind: K;
  readonly entries: readonly { readonly id: Id; readonly spec: NounSpecs[K]; readonly path: string }[];
}

/** Gives each name of the section an id, and notes what the section no longer names as deleted. */
function declareSection<K extends NounKind>(edit: Edit, kind: K, specs: readonly NounSpecs[K][] | undefined, newId: NewId): Section<K> {
  if (specs === undefined) return { kind, entries: [] };
  const ids = new Map<string, Id>();
  const pinned = new Set<Id>();
  const entries = specs.flatMap((spec, i) => {
    const path = `/${nounCollections[kind]}/${i}`;
    if (ids.has(spec.name)) {
      edit.add('duplicate-name', `${path}/name`, `the ${kind} "${spec.name}" is in this section twice`);
      return [];
    }
    const id = edit.ledger.idOf(kind, spec.name) ?? pinnedId(edit, spec, path, pinned) ?? newId();
    ids.set(spec.name, id);
    return [{ id, spec, path }];
  });
  edit.declareNames(kind, ids);
  for (const noun of nounsOf<NounKind>(edit.base, kind).values()) if (!ids.has(noun.name)) edit.delete(kind, noun.id);
  return { kind, entries };
}

function pinnedId(edit: Edit, spec: Pick<Nouns['network'], 'name'> & { readonly id?: Id }, path: string, pinned: Set<Id>): Id | undefined {
  const { id } = spec;
  if (id === undefined) return undefined;
  const other = edit.base.networks.get(id);
  if (other !== undefined) edit.add('duplicate-id', `${path}/id`, `the id ${id} is that of the network "${other.name}", and names do not change`);
  else if (pinned.has(id)) edit.add('duplicate-id', `${path}/id`, `the id ${id} is given twice`);
  pinned.add(id);
  return id;
}

function resolveSection<K extends NounKind>(edit: Edit, { kind, entries }: Section<K>): void {
  for (const { id, spec, path } of entries) {
    if (edit.problems.length >= MAX_PROBLEMS) return;
    resolveSpec(edit, kind, id, spec, path);
  }
}
