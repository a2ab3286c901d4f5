import { type KernelObject, type NodeState, type ObjectBody, type ObservedObject, observedState, type Space } from '@portolan/node-state';
import type { Batch, Layout } from '@portolan/render';
import type { AppliedBatch, Attachments, Kernel, ResolvedEndpoints } from './ports.js';
import { tableOfKind } from './written.js';

/**
 * A kernel in memory, for tests of what stands above it. It does not read the text of batches: a batch makes the
 * objects of its keys as the node states that it was told of describe them, and removes those that the last of
 * these does not have.
 */
export interface FakeKernel extends Kernel {
  /** Tells it what batches will mean from now on. */
  intend(state: NodeState): void;
  /** Makes the namespace of an endpoint come or go; it takes its objects with it. */
  setPresence(endpoint: string, presence: 'present' | 'absent'): void;
  /** Changes or (with undefined) removes an object behind the agent's back. */
  tamper(key: string, hash: string | undefined): void;
  /** Called before each batch; what it throws is thrown by `apply`, an exit code other than 0 fails the batch. */
  onBatch: (batch: Batch) => number;
  readonly objects: ReadonlyMap<string, ObservedObject>;
  readonly counts: { observed: number; partlyObserved: number; batches: number; probed: number };
}

function spacesOf(object: ObservedObject | KernelObject): readonly Space[] {
  return object.body?.kind === 'veth' ? [object.space, object.body.peer.space] : [object.space];
}

export function openFakeKernel(): FakeKernel {
  const objects = new Map<string, ObservedObject>();
  const absent = new Set<string>();
  const generations = new Map<string, number>();
  const counts = { observed: 0, partlyObserved: 0, batches: 0, probed: 0 };
  /** What the last observation saw. */
  let remembered: readonly ObservedObject[] = [];
  let intended = new Map<string, KernelObject>();
  const layout: Layout = { pathOf: (space) => `/fake/${space.replace(':', '/')}` };

  function dropSpace(space: Space): void {
    for (const [key, object] of objects) if (spacesOf(object).includes(space)) objects.delete(key);
  }

  /** A link takes along what is on it, at both ends of a pair. */
  function dropLinks(space: Space, body: ObjectBody): void {
    if (body.kind !== 'bridge' && body.kind !== 'vxlan' && body.kind !== 'veth') return;
    const ends = [{ space, name: body.name }, ...(body.kind === 'veth' ? [body.peer] : [])];
    for (const [key, object] of objects) {
      const link = object.body !== undefined && 'link' in object.body ? object.body.link : undefined;
      if (ends.some((end) => end.space === object.space && end.name === link)) objects.delete(key);
    }
  }

  function applyKey(key: string): void {
    const object = intended.get(key);
    if (object !== undefined) {
      objects.set(key, { key, hash: object.hash, space: object.space, kind: object.body.kind, body: object.body });
      return;
    }
    const gone = objects.get(key);
    objects.delete(key);
    if (gone?.kind === 'namespace') dropSpace(gone.space);
    if (gone?.body !== undefined) dropLinks(gone.space, gone.body);
  }

  async function resolve(endpoints: Attachments): Promise<ResolvedEndpoints> {
    const found = Object.keys(endpoints).filter((id) => !absent.has(id));
    return {
      found: Object.fromEntries(found.map((id) => [id, { path: layout.pathOf(`endpoint:${id}`), incarnation: String(generations.get(id) ?? 0) }])),
      refused: {},
    };
  }

  const kernel: FakeKernel = {
    layout,
    objects,
    counts,
    onBatch: () => 0,
    intend: (state) => {
      intended = new Map(state.objects.map((object) => [object.key, object]));
    },
    setPresence: (endpoint, presence) => {
      if (presence === 'present') {
        absent.delete(endpoint);
        generations.set(endpoint, (generations.get(endpoint) ?? 0) + 1);
        return;
      }
      absent.add(endpoint);
      dropSpace(`endpoint:${endpoint}`);
    },
    tamper: (key, hash) => {
      const object = objects.get(key);
      if (hash === undefined) objects.delete(key);
      else if (object !== undefined) objects.set(key, { ...object, hash });
    },
    probe: async () => {
      counts.probed += 1;
      return { kernel: 'fake' };
    },
    resolve,
    observe: async (endpoints, written) => {
      if (written === undefined) counts.observed += 1;
      else counts.partlyObserved += 1;
      const isRead = ({ space, kind }: ObservedObject): boolean => written === undefined || written.get(space)?.has(tableOfKind[kind]) === true;
      remembered = [...remembered.filter((object) => !isRead(object)), ...[...objects.values()].filter(isRead)];
      const { found } = await resolve(endpoints);
      const presence = Object.fromEntries(Object.keys(endpoints).map((id) => [id, id in found ? ('present' as const) : ('absent' as const)]));
      return observedState(remembered, presence, []);
    },
    apply: async (batches) => {
      const applied: AppliedBatch[] = [];
      for (const batch of batches) {
        counts.batches += 1;
        const exitCode = kernel.onBatch(batch);
        if (exitCode === 0) for (const key of batch.keys) applyKey(key);
        applied.push({ batch, command: `fake ${batch.tool}`, exitCode, stdout: '', stderr: exitCode === 0 ? '' : 'refused by the test\n', milliseconds: 0 });
        if (exitCode !== 0) break;
      }
      return applied;
    },
    purge: async () => {
      objects.clear();
    },
  };
  return kernel;
}
