import { type Endpoint, type Id, type Manifest, type NounKind, nounCollections, type Snapshot } from '@portolan/model';
import { drainSecondsOf, isIdle, startedDrain } from './drain.js';
import { Edit } from './edit.js';
import { nounsOf } from './find.js';
import { flannelSpecOf } from './flannel.js';
import { formerId, isElsewhere, isOutside } from './former.js';
import { resetHealth } from './health.js';
import { refuseUnusedAddresses } from './node-addresses.js';
import { MAX_PROBLEMS } from './problems.js';
import { refuseChangedNetworks, refuseDangling, refuseUnreachablePorts, refuseUsedFlannel, settleIngress } from './references.js';
import { resolveSpec } from './resolve.js';
import { isGone, resolveFlannel } from './resolve-flannel.js';
import { keptOrNew } from './settings.js';
import { specOf } from './specs.js';
import type { NewId, NounSpecs, Nouns } from './types.js';
import { settingsProblems } from './values.js';

export interface ApplyOptions {
  /** Milliseconds since 1970: deadlines of drains are counted from here. */
  readonly now: number;
  /** Deletes endpoints at once, whatever is sent to them. */
  readonly force?: boolean | undefined;
}

/**
 * Makes the snapshot what the manifest says: a section that is there is complete, one that is left out is left alone,
 * settings that are left out stay. The whole is one change: what one section frees another can use, whatever their
 * order. Endpoints that are no longer named and that are sent traffic drain first, unless `force`, or unless their
 * service, node, network or flannel network goes in the same document; one that leaves and is named again stays. The same snapshot object when nothing changes. Throws all problems, at most 20, with pointers into the manifest.
 */
export function applyManifest(snapshot: Snapshot, manifest: Manifest, newId: NewId, options: ApplyOptions): Snapshot {
  const edit = new Edit(snapshot);
  resolveManifest(edit, manifest, newId, options);
  return edit.result();
}

/** Makes the manifest what the edit is to do. Problems are added to the edit. */
export function resolveManifest(edit: Edit, manifest: Manifest, newId: NewId, { now, force = false }: ApplyOptions): void {
  const { settings } = edit.base.cluster;
  if (manifest.settings !== undefined) {
    edit.settingsPath = '/settings';
    edit.settings = keptOrNew(settings, { ...settings, ...manifest.settings });
    edit.problems.push(...settingsProblems(edit.settings, edit.settingsPath));
  }
  // All names first, so that any section can refer to any other; services after networks, endpoints after both.
  const ids = { newId, force };
  const nodes = declareSection(edit, 'node', manifest.nodes, ids);
  const networks = declareSection(edit, 'network', manifest.networks, ids);
  const services = declareSection(edit, 'service', manifest.services, ids);
  const endpoints = declareSection(edit, 'endpoint', manifest.endpoints, ids);
  for (const { kind, unnamed } of [nodes, networks, services]) for (const { id } of unnamed) edit.delete(kind, id);
  resolveSection(edit, nodes);
  resolveSection(edit, networks);
  resolveSection(edit, services);
  settleIngress(edit);
  if (manifest.flannel !== undefined) resolveFlannel(edit, manifest.flannel, '/flannel');
  resolveSection(edit, endpoints);
  for (const endpoint of endpoints.unnamed) letGo(edit, endpoint, now, force);
  resetHealth(edit);
  // Specs with problems have no drafts yet, so who uses what cannot be told before they are corrected.
  if (edit.problems.length === 0) {
    // Everything that goes back with a network has the addresses that it had there.
    if (edit.former === null) refuseChangedNetworks(edit);
    refuseUnreachablePorts(edit);
    refuseUnusedAddresses(edit);
    refuseDangling(edit, (kind) => `/${nounCollections[kind]}`);
    refuseUsedFlannel(edit);
  }
}

/** An endpoint that the document no longer names. */
function letGo(edit: Edit, endpoint: Endpoint, now: number, force: boolean): void {
  const service = endpoint.serviceId === null ? undefined : edit.service(endpoint.serviceId);
  const homeless =
    edit.node(endpoint.nodeId) === undefined ||
    (endpoint.flannel !== null && isGone(edit.flannel)) ||
    isOutside(edit, endpoint) ||
    (endpoint.serviceId === null ? endpoint.addresses.some((own) => edit.network(own.networkId)?.attachable !== true) : service === undefined);
  // One that leaves already goes when its drain ends, whatever has become of it: an export applied again changes nothing.
  if (!force && !homeless && endpoint.drain?.removes === true) return;
  if (force || homeless || isIdle(edit.base, endpoint)) {
    edit.delete('endpoint', endpoint.id);
    return;
  }
  const seconds = endpoint.drain === null ? drainSecondsOf(service, edit.settings) : undefined;
  const drain = startedDrain(endpoint.drain, { revision: edit.base.cluster.revision + 1, now, seconds, removes: true });
  if (drain !== endpoint.drain) edit.endpoints.set(endpoint.id, { ...endpoint, drain });
}

/** The whole intent as a manifest, by name: applying it changes nothing. Endpoints that leave, and a flannel network that does, are not in it. */
export function manifestOf(snapshot: Snapshot): Required<Manifest> {
  return {
    settings: snapshot.cluster.settings,
    nodes: specsOf(snapshot, 'node'),
    networks: specsOf(snapshot, 'network'),
    services: specsOf(snapshot, 'service'),
    endpoints: specsOf(snapshot, 'endpoint'),
    flannel: isGone(snapshot.flannel) ? null : flannelSpecOf(snapshot.flannel, snapshot.nodes),
  };
}

/** Whether a manifest names it: not an endpoint that leaves. */
export function isNamed(noun: Nouns[NounKind]): boolean {
  return !('drain' in noun) || noun.drain?.removes !== true;
}

function specsOf<K extends NounKind>(snapshot: Snapshot, kind: K): NounSpecs[K][] {
  return [...nounsOf(snapshot, kind).values()]
    .filter(isNamed)
    .sort(byName)
    .map((noun) => specOf(snapshot, kind, noun));
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

interface Section<K extends NounKind> {
  readonly kind: K;
  readonly entries: readonly { readonly id: Id; readonly spec: NounSpecs[K]; readonly path: string }[];
  /** What is there and what the section does not name. */
  readonly unnamed: readonly Nouns[K][];
}

/** Gives each name of the section an id. */
function declareSection<K extends NounKind>(
  edit: Edit,
  kind: K,
  specs: readonly NounSpecs[K][] | undefined,
  { newId, force }: { readonly newId: NewId; readonly force: boolean },
): Section<K> {
  if (specs === undefined) return { kind, entries: [], unnamed: [] };
  const ids = new Map<string, Id>();
  const pinned = new Set<Id>();
  const entries = specs.flatMap((spec, i) => {
    const path = `/${nounCollections[kind]}/${i}`;
    if (ids.has(spec.name)) {
      edit.add('duplicate-name', `${path}/name`, `the ${kind} "${spec.name}" is in this section twice`);
      return [];
    }
    const known = edit.ledger.idOf(kind, spec.name);
    // As long as an endpoint of that name is sent traffic somewhere else it has to be deleted first.
    const anew = known !== undefined && isElsewhere(edit, kind, known) && (force || isIdleEndpoint(edit, known));
    if (anew) edit.delete(kind, known);
    const id = (anew ? undefined : known) ?? pinnedId(edit, spec, path, pinned) ?? formerId(edit, kind, spec.name) ?? newId();
    ids.set(spec.name, id);
    return [{ id, spec, path }];
  });
  edit.declareNames(kind, ids);
  return { kind, entries, unnamed: [...nounsOf(edit.base, kind).values()].filter((noun) => !ids.has(noun.name)) };
}

function isIdleEndpoint(edit: Edit, id: Id): boolean {
  const endpoint = edit.base.endpoints.get(id);
  return endpoint !== undefined && isIdle(edit.base, endpoint);
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
