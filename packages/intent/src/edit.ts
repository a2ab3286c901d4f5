import { checkChanges, type Finding, type Subject } from '@portolan/check';
import { type AllocationFault, allocate, type Drafts, type Ledger, ledgerOf, podAddresses } from '@portolan/ipam';
import {
  type ClusterSettings,
  diffSnapshots,
  type Flannel,
  type FlannelSpec,
  type Id,
  type Node,
  type NounKind,
  nounCollections,
  type Problem,
  problem,
  type Snapshot,
} from '@portolan/model';
import { faultPointer } from './fault-pointer.js';
import type { Former } from './former.js';
import { existingPointer, refuse } from './problems.js';
import { nearestName } from './suggest.js';
import type { NounSpecs } from './types.js';

/** Where in the document an object was described. */
export interface Source<K extends NounKind = NounKind> {
  readonly kind: K;
  /** JSON pointer of the spec, '' when the document is the spec. */
  readonly path: string;
  readonly spec: NounSpecs[K];
}

/**
 * One change of a snapshot while it is put together: names become ids, specs become drafts, faults become problems.
 * Nothing is seen of it until `result` has allocated and checked the whole.
 */
export class Edit {
  readonly base: Snapshot;
  /** What the edit goes back to; null where it does not go back. */
  readonly former: Former | null;
  readonly ledger: Ledger;
  readonly problems: Problem[] = [];
  settings: ClusterSettings;
  /** Pointer of the settings in the document. */
  settingsPath = '';
  flannel: Flannel | null;
  /** Where in the document the flannel network is described, if it is. */
  flannelSource: { readonly path: string; readonly spec: FlannelSpec | null } | undefined;
  /** Whether an endpoint that leaves goes on leaving when a spec names it; else that cancels its drain. */
  keepsLeaving = false;
  readonly nodes = new Map<Id, Drafts['node'] | null>();
  readonly networks = new Map<Id, Drafts['network'] | null>();
  readonly services = new Map<Id, Drafts['service'] | null>();
  readonly endpoints = new Map<Id, Drafts['endpoint'] | null>();
  readonly #names: { [K in NounKind]?: ReadonlyMap<string, Id> } = {};
  readonly #sources = new Map<Id, Source>();
  #ingress: { readonly network: Drafts['network'] | undefined } | undefined;

  constructor(base: Snapshot, former: Former | null = null) {
    this.base = base;
    this.former = former;
    this.ledger = ledgerOf(base);
    this.settings = base.cluster.settings;
    this.flannel = base.flannel;
  }

  /** Declares the names of a kind: there are no others afterwards. */
  declareNames(kind: NounKind, names: ReadonlyMap<string, Id>): void {
    this.#names[kind] = names;
  }

  addSource(id: Id, source: Source): void {
    this.#sources.set(id, source);
  }

  /** What the document says of the nodes, by id. */
  *nodeSources(): Iterable<readonly [id: Id, source: Source<'node'>]> {
    for (const [id, source] of this.#sources) if (isOfNode(source)) yield [id, source];
  }

  /** Pointer of the spec of an object, '' for one that the document does not describe. */
  pathOf(id: Id): string {
    return this.#sources.get(id)?.path ?? '';
  }

  /** Pointer to a value in the spec of an object, or to what it belongs to where the spec leaves it out. */
  pointerIn(id: Id, pointer: string): string {
    const source = this.#sources.get(id);
    return source === undefined ? '' : source.path + existingPointer(source.spec, pointer);
  }

  delete(kind: NounKind, id: Id): void {
    this[nounCollections[kind]].set(id, null);
  }

  add(code: Problem['code'], path: string, message: string, fix?: string): void {
    this.problems.push(problem(code, path, message, fix));
  }

  /** The id behind a name. */
  idOf(kind: NounKind, name: string): Id | undefined {
    const declared = this.#names[kind];
    return declared === undefined ? this.ledger.idOf(kind, name) : declared.get(name);
  }

  /** The id behind a name that a spec refers to; a problem when there is none. */
  resolve(kind: NounKind, name: string, path: string): Id | undefined {
    const id = this.idOf(kind, name);
    if (id === undefined) {
      const meant = nearestName(name, this.#names[kind]?.keys() ?? [...this.base[nounCollections[kind]].values()].map((noun) => noun.name));
      this.add('unknown-reference', path, `there is no ${kind} "${name}"`, meant === undefined ? undefined : `Did you mean "${meant}"?`);
    }
    return id;
  }

  node(id: Id): Node | undefined {
    const draft = this.nodes.get(id);
    return draft === undefined ? this.base.nodes.get(id) : (draft ?? undefined);
  }

  network(id: Id): Drafts['network'] | undefined {
    const draft = this.networks.get(id);
    return draft === undefined ? this.base.networks.get(id) : (draft ?? undefined);
  }

  service(id: Id): Drafts['service'] | undefined {
    const draft = this.services.get(id);
    return draft === undefined ? this.base.services.get(id) : (draft ?? undefined);
  }

  endpoint(id: Id): Drafts['endpoint'] | undefined {
    const draft = this.endpoints.get(id);
    return draft === undefined ? this.base.endpoints.get(id) : (draft ?? undefined);
  }

  /** The networks of the routing mesh after the edit, those that were there first; more than one is a fault. */
  ingressNetworks(): readonly Drafts['network'][] {
    const kept = [...this.base.networks.keys()].map((id) => this.network(id));
    const created = [...this.networks.values()].filter((network) => network !== null && !this.base.networks.has(network.id));
    return [...kept, ...created].filter((network) => network !== undefined && network !== null).filter((network) => network.ingress);
  }

  /** The first of them, remembered from the first call on: networks are resolved before services. */
  ingress(): Drafts['network'] | undefined {
    this.#ingress ??= { network: this.ingressNetworks()[0] };
    return this.#ingress.network;
  }

  /** Allocates, checks, and gives the new snapshot: the base itself when nothing changes. Throws all problems so far. */
  result(): Snapshot {
    refuse(this.problems);
    this.#dropReservations();
    const allocation = allocate(this.base, this);
    if ('faults' in allocation) {
      refuse(allocation.faults.map((fault) => problem(fault.code, this.#pathOfFault(fault), fault.message)));
      return this.base;
    }
    if (allocation.snapshot === this.base) return this.base;
    const { endpoints, flannel } = allocation.snapshot;
    const podsMoved = endpoints !== this.base.endpoints || flannel !== this.base.flannel;
    const snapshot = podsMoved ? podAddresses(allocation.snapshot, this.base) : allocation.snapshot;
    const findings = checkChanges(snapshot, diffSnapshots(this.base, snapshot));
    refuse(findings.flatMap((finding) => (finding.severity === 'block' ? [this.#problemOf(finding)] : [])));
    return snapshot;
  }

  /** A node that goes needs no subnet kept; the lease that it has is given back later. */
  #dropReservations(): void {
    const { flannel } = this;
    if (flannel === null) return;
    const reservations = flannel.reservations.filter(({ nodeId }) => this.nodes.get(nodeId) !== null);
    if (reservations.length === flannel.reservations.length) return;
    this.flannel = { ...flannel, reservations, version: (this.base.flannel?.version ?? 0) + 1 };
  }

  #pathOfFault(fault: AllocationFault): string {
    const source = this.#sources.get(fault.subject.id);
    if (source === undefined) return '';
    return this.pointerIn(
      fault.subject.id,
      faultPointer(source, fault, (id) => this.network(id)?.name),
    );
  }

  #problemOf(finding: Finding & { readonly severity: 'block' }): Problem {
    const { kind, name } = finding.subject;
    return problem(finding.code, this.#pathOfFinding(finding), `${kind} "${name}": ${finding.message}`, finding.fix);
  }

  /** A setting is to blame when this edit changed it, else the object. */
  #pathOfFinding({ subject, field, setting, against }: Finding): string {
    if (setting !== undefined && this.settings[setting] !== this.base.cluster.settings[setting]) return `${this.settingsPath}/${setting}`;
    return subject.kind === 'flannel' ? this.#pathOfFlannel(field, against) : this.#pathOfObject(subject, field);
  }

  /** What the flannel network meets is to blame, unless this edit moved the network there. */
  #pathOfFlannel(field: string, against: Finding['against']): string {
    const moved = this.flannel?.network !== this.base.flannel?.network;
    if (against !== undefined && !moved && this.#sources.has(against.subject.id)) return this.pointerIn(against.subject.id, `/${against.field}`);
    return this.#pathInFlannel(field);
  }

  #pathInFlannel(field: string): string {
    return this.flannelSource === undefined ? '' : this.flannelSource.path + existingPointer(this.flannelSource.spec, `/${field}`);
  }

  /** What the document says nothing of was sound before: the address of an endpoint is outside by what the flannel network became. */
  #pathOfObject({ kind, id }: Subject, field: string): string {
    if (kind === 'endpoint' && field.startsWith('flannel') && !this.#sources.has(id)) return this.#pathInFlannel('network');
    return this.pointerIn(id, `/${field}`);
  }
}

function isOfNode(source: Source): source is Source<'node'> {
  return source.kind === 'node';
}
