import type { Problem } from '@portolan/model';
import { type KernelObject, type NodeState, type ObjectBody, type ObservedObject, observedState, type Space } from '@portolan/node-state';
import type { Batch, Layout } from '@portolan/render';
import type { AppliedBatch, Attachments, Executed, FailedLine, Kernel, NameServer, Observation, ResolvedEndpoints, Stop, UdpRelay } from './ports.js';
import { type KernelTable, tableOfKind } from './written.js';

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
  /** Makes it refuse the namespace of an endpoint for that reason, or (with undefined) no longer. */
  refuse(endpoint: string, reason: Problem | undefined): void;
  /** Changes or (with undefined) removes an object behind the agent's back. */
  tamper(key: string, hash: string | undefined): void;
  /** Puts an object that nobody asked for. */
  put(object: ObservedObject): void;
  /** Called before each batch; what it throws is thrown by `apply`, an exit code other than 0 fails the batch, and nothing of it is done. */
  onBatch: (batch: Batch) => number;
  /**
   * What a tool says of the object of this key, which it then does not make, change or remove; undefined for all others. As in a real kernel
   * the line fails, or with rules, names and the relay the whole batch.
   */
  refuses: (key: string) => string | undefined;
  /** Puts a foreign rule before what is ours in a chain, or (with undefined) takes it away. */
  obstruct(space: Space, chain: string, text: string | undefined): void;
  readonly objects: ReadonlyMap<string, ObservedObject>;
  readonly counts: { observed: number; partlyObserved: number; batches: number; probed: number };
}

/** Tools that go on behind a line that failed, whatever the batch says. */
const goingOn: ReadonlySet<Batch['tool']> = new Set(['netns', 'sysctl', 'file']);

function spacesOf(object: ObservedObject | KernelObject): readonly Space[] {
  return object.body?.kind === 'veth' ? [object.space, object.body.peer.space] : [object.space];
}

function isLink(body: ObjectBody): body is Extract<ObjectBody, { kind: 'bridge' | 'vxlan' | 'flannel-vtep' | 'udp-relay' | 'veth' }> {
  return ['bridge', 'vxlan', 'flannel-vtep', 'udp-relay', 'veth'].includes(body.kind);
}

/** With `names`, that is told the batches of names and asked for them, and so is `relay`; without, they are objects like all others. */
export function openFakeKernel({ names, relay }: { readonly names?: NameServer; readonly relay?: UdpRelay } = {}): FakeKernel {
  const objects = new Map<string, ObservedObject>();
  const absent = new Set<string>();
  const refused = new Map<string, Problem>();
  const generations = new Map<string, number>();
  const obstructions = new Map<string, Observation['obstructions'][number]>();
  const counts = { observed: 0, partlyObserved: 0, batches: 0, probed: 0 };
  /** What the last observation saw. */
  let remembered: readonly ObservedObject[] = [];
  const doubted = new Map<Space, Set<KernelTable>>();
  let found: ResolvedEndpoints['found'] = {};
  let intended = new Map<string, KernelObject>();
  const layout: Layout = { pathOf: (space) => `/fake/${space.replace(':', '/')}` };

  function dropSpace(space: Space): void {
    for (const [key, object] of objects) if (spacesOf(object).includes(space)) objects.delete(key);
  }

  /** A link takes along what is on it, at both ends of a pair. */
  function dropLinks(space: Space, body: ObjectBody): void {
    if (!isLink(body)) return;
    const ends = [{ space, name: body.name }, ...(body.kind === 'veth' ? [body.peer] : [])];
    for (const [key, object] of objects) {
      const { body: on } = object;
      const link = on === undefined ? undefined : 'link' in on ? on.link : 'relay' in on ? on.relay : undefined;
      if (ends.some((end) => end.space === object.space && end.name === link)) objects.delete(key);
    }
  }

  /** A virtual server takes along its real servers. */
  function dropServers(space: Space, mark: number): void {
    for (const [key, { body, space: place }] of objects) if (body?.kind === 'real-server' && place === space && body.mark === mark) objects.delete(key);
  }

  function applyKey(key: string): void {
    // The batch that sets its device up names it, too; what there is of it, it says itself.
    if (relay !== undefined && key.startsWith('udp-relay')) return;
    const object = intended.get(key);
    if (object !== undefined) {
      objects.set(key, { key, hash: object.hash, space: object.space, kind: object.body.kind, body: object.body });
      return;
    }
    const gone = objects.get(key);
    objects.delete(key);
    if (gone?.kind === 'namespace') dropSpace(gone.space);
    if (gone?.body !== undefined) dropLinks(gone.space, gone.body);
    if (gone?.body?.kind === 'virtual-server') dropServers(gone.space, gone.body.mark);
  }

  /** How far a batch comes whose lines are carried out one by one; undefined when none is refused. */
  function stopOf({ owners = [], tool, goesOn }: Batch): Stop | undefined {
    const failed: FailedLine[] = [];
    for (const [line, keys] of owners.entries()) {
      const said = keys.map(kernel.refuses).find((reason) => reason !== undefined);
      if (said !== undefined) failed.push({ line, said });
    }
    const [first] = failed;
    if (first === undefined) return undefined;
    return goesOn === true || goingOn.has(tool) ? { failed, next: owners.length } : { failed: [first], next: first.line + 1 };
  }

  async function carriedOut(batch: Batch): Promise<Pick<Executed, 'exitCode' | 'stderr'> & { readonly stop?: Stop }> {
    const exitCode = kernel.onBatch(batch);
    if (exitCode !== 0) return { exitCode, stderr: 'refused by the test\n' };
    const { owners, tool, keys } = batch;
    const isWhole = owners === undefined || tool === 'dns' || tool === 'relay';
    const stop = isWhole ? undefined : stopOf(batch);
    if (stop !== undefined) {
      const untried = new Set(owners?.slice(stop.next).flat());
      for (const key of keys) if (!untried.has(key) && kernel.refuses(key) === undefined) applyKey(key);
      return { exitCode: 1, stderr: stop.failed.map(({ said }) => `${said}\n`).join(''), stop };
    }
    const said = keys.map(kernel.refuses).find((reason) => reason !== undefined);
    if (said !== undefined) return { exitCode: 1, stderr: `${said}\n` };
    if (tool === 'dns' && names !== undefined) await names.change(batch.text, found);
    else if (tool === 'relay' && relay !== undefined) await relay.change(batch.text);
    else for (const key of keys) applyKey(key);
    return { exitCode: 0, stderr: '' };
  }

  async function resolve(endpoints: Attachments): Promise<ResolvedEndpoints> {
    const asked = Object.keys(endpoints);
    const found = asked.filter((id) => !absent.has(id) && !refused.has(id));
    return {
      found: Object.fromEntries(found.map((id) => [id, { path: layout.pathOf(`endpoint:${id}`), incarnation: String(generations.get(id) ?? 0) }])),
      refused: Object.fromEntries([...refused].filter(([id]) => asked.includes(id))),
    };
  }

  const kernel: FakeKernel = {
    layout,
    objects,
    counts,
    onBatch: () => 0,
    refuses: () => undefined,
    obstruct: (space, chain, text) => {
      if (text === undefined) obstructions.delete(`${space} ${chain}`);
      else obstructions.set(`${space} ${chain}`, { space, chain, text });
    },
    rulesOf: () => '',
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
    refuse: (endpoint, reason) => {
      if (reason === undefined) refused.delete(endpoint);
      else refused.set(endpoint, reason);
    },
    tamper: (key, hash) => {
      const object = objects.get(key);
      if (object === undefined) return;
      if (hash === undefined) objects.delete(key);
      else objects.set(key, { ...object, hash });
      const table = tableOfKind[object.kind];
      if (table !== null) doubted.set(object.space, new Set([...(doubted.get(object.space) ?? []), table]));
    },
    doubts: () => new Map([...doubted].map(([space, tables]) => [space, new Set(tables)])),
    put: (object) => {
      objects.set(object.key, object);
    },
    probe: async () => {
      counts.probed += 1;
      return { kernel: 'fake' };
    },
    resolve,
    observe: async ({ endpoints, sysctls, written }) => {
      if (written === undefined) counts.observed += 1;
      else counts.partlyObserved += 1;
      const isRead = ({ space, kind }: ObservedObject): boolean => {
        const table = tableOfKind[kind];
        return written === undefined || table === null || written.get(space)?.has(table) === true;
      };
      const isAsked = ({ space, kind, body }: ObservedObject): boolean =>
        kind !== 'sysctl' || (body?.kind === 'sysctl' && sysctls.get(space)?.includes(body.name) === true);
      for (const [space, tables] of doubted) {
        for (const table of tables) if (written === undefined || written.get(space)?.has(table) === true) tables.delete(table);
        if (tables.size === 0) doubted.delete(space);
      }
      remembered = [...remembered.filter((object) => !isRead(object)), ...[...objects.values()].filter(isRead)];
      const resolved = await resolve(endpoints);
      const presence = Object.fromEntries(Object.keys(endpoints).map((id) => [id, id in resolved.found ? ('present' as const) : ('absent' as const)]));
      found = resolved.found;
      const answered = [...(names?.observed(found) ?? []), ...((await relay?.observed()) ?? [])];
      return {
        ...observedState([...remembered.filter(isAsked), ...answered], presence, []),
        obstructions: [...obstructions.values()],
        incarnations: Object.fromEntries(Object.entries(found).map(([id, { incarnation }]) => [id, incarnation])),
        refused: resolved.refused,
      };
    },
    apply: async (batches) => {
      const applied: AppliedBatch[] = [];
      const failed = new Set<Space>();
      for (const batch of batches) {
        if (failed.has(batch.space)) continue;
        counts.batches += 1;
        const ran = await carriedOut(batch);
        applied.push({ batch, command: `fake ${batch.tool}`, stdout: '', milliseconds: 0, ...ran });
        if (ran.exitCode === 0 || batch.goesOn === true) continue;
        if (!batch.space.startsWith('endpoint:')) break;
        failed.add(batch.space);
      }
      return applied;
    },
    purge: async () => {
      objects.clear();
    },
  };
  return kernel;
}
