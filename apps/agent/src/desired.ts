import { portolanError } from '@portolan/model';
import { type NodeState, stateAfter } from '@portolan/node-state';
import { type DesiredState, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, type SyncHint } from '@portolan/protocol';
import type { ControlPlane } from './control-plane.js';
import { type AppliedLedger, appliedOf, emptyLedger, isWholeState, type Ledger, type LedgerFile } from './ledger.js';

/** What one look for a newer state gave. */
export interface Look {
  /** False when there was no answer, or none that can be used; `error` says why. */
  readonly answered: boolean;
  readonly error: unknown;
  /** The state is another one than before this look. */
  readonly changed: boolean;
  /** delta: the job brought it, and nobody was asked; fetch: the control plane gave it; same: it said that it is the same; none: no usable answer. */
  readonly by: 'delta' | 'fetch' | 'same' | 'none';
}

export interface DesiredSource {
  readonly ledger: Ledger;
  /** Version of the protocol that the control plane answered its last question with; before the first, that of the state in the ledger. */
  readonly protocol: number;
  /** Notes that the agent starts, by a number that is larger than those of its starts before, and than `least`. It counts even where it cannot be noted. */
  begin(least: number): Promise<void>;
  /** Starts are counted from here on: somebody else has said a larger number. It is noted with what is noted next. */
  beginAfter(start: number): void;
  /**
   * Asks the control plane, unless the hint brings what leads from the held state to a newer one. Without a usable answer the state of
   * the ledger stays.
   */
  look(hint?: SyncHint): Promise<Look>;
  /** Notes that the kernel holds the state; of the keys that wait it does not. */
  noteApplied(desired: DesiredState, waiting: readonly string[]): Promise<void>;
  /** Endpoints to observe: those of the state, then those of earlier ones that are not known to be clean. */
  endpoints(): NodeState['endpoints'];
  /** Forgets endpoints of earlier states. */
  retire(clean: readonly string[]): Promise<void>;
}

export interface Identity {
  readonly cluster: string;
  readonly node: string;
}

function assertUsable(desired: DesiredState, { cluster, node }: Identity): void {
  if (!(desired.protocol >= OLDEST_PROTOCOL_VERSION && desired.protocol <= PROTOCOL_VERSION)) {
    throw portolanError(
      'protocol-unsupported',
      '/protocol',
      `the control plane speaks version ${desired.protocol} of the protocol, this agent ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`,
      { fix: 'Install the agent of the release that the control plane is of.' },
    );
  }
  if (desired.state.cluster !== cluster || desired.state.node !== node) {
    throw portolanError('invalid-document', '/state', `the state is that of node ${desired.state.node} of cluster ${desired.state.cluster}`);
  }
}

function assertWhole({ state }: DesiredState): DesiredState['state'] {
  if (!isWholeState(state)) throw portolanError('invalid-document', '/state/hash', 'the state is not that of its hash');
  return state;
}

/** The state that a hint leads to from the one that is held, and that has its hash, when it is a newer one of the same node. */
function ledTo(held: DesiredState | undefined, { nodeId, generation, revision, delta }: SyncHint): DesiredState | undefined {
  if (held === undefined || delta === undefined || nodeId !== held.nodeId || generation <= held.generation) return undefined;
  const state = stateAfter(held.state, delta);
  return state === undefined ? undefined : { ...held, generation, revision: Math.max(held.revision, revision), state };
}

function holdsTheSame(one: AppliedLedger, other: AppliedLedger): boolean {
  if (one.of !== undefined && other.of !== undefined) return one.of.stateHash === other.of.stateHash && one.of.waiting.join() === other.of.waiting.join();
  const keys = Object.keys(one.hashes);
  return keys.length === Object.keys(other.hashes).length && keys.every((key) => one.hashes[key] === other.hashes[key]);
}

/** The newest state that the control plane gave, held on disk. Its methods that promise something are called one after the other. */
export async function desiredSource(controlPlane: Pick<ControlPlane, 'fetchState'>, file: LedgerFile, identity: Identity): Promise<DesiredSource> {
  let ledger = await file.read();
  // A folder that was copied from another node says nothing about this one.
  if (ledger.desired !== undefined && (ledger.desired.state.cluster !== identity.cluster || ledger.desired.state.node !== identity.node)) {
    ledger = emptyLedger;
  }
  let protocol = ledger.desired?.protocol ?? PROTOCOL_VERSION;

  async function keep(next: Ledger): Promise<void> {
    try {
      await file.write(next);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      throw portolanError('apply-failed', '', `what is accepted cannot be noted on disk, so it is not: ${said}`, {
        cause,
        fix: 'Make room on the disk of PORTOLAN_STATE_DIR; the agent tries again by itself.',
      });
    }
    ledger = { ...next, start: ledger.start };
  }

  async function accept(desired: DesiredState): Promise<boolean> {
    assertUsable(desired, identity);
    const before = ledger.desired;
    if (before !== undefined && desired.nodeId === before.nodeId && desired.generation < before.generation) {
      throw portolanError('stale-generation', '', `the control plane offers generation ${desired.generation}, this node holds ${before.generation}`, {
        fix: 'Where the database was restored from a backup: stop the agent, run "portolan-agent purge", start it again. Otherwise wait for the newer state.',
      });
    }
    const retiring = { ...ledger.retiring, ...before?.state.endpoints };
    for (const id of Object.keys(desired.state.endpoints)) delete retiring[id];
    await keep({ ...ledger, desired, retiring });
    return before?.state.hash !== desired.state.hash;
  }

  /** The state is the same, but it may be of a newer generation or revision. */
  async function renumber(generation: number | undefined, revision: number | undefined): Promise<void> {
    const { desired } = ledger;
    if (desired === undefined) return;
    const next = { ...desired, protocol, generation: Math.max(desired.generation, generation ?? 0), revision: Math.max(desired.revision, revision ?? 0) };
    if (next.generation === desired.generation && next.revision === desired.revision && next.protocol === desired.protocol) return;
    // A revision alone is not worth a write to disk: it is asked for again after a restart.
    if (next.generation === desired.generation) ledger = { ...ledger, desired: next };
    else await keep({ ...ledger, desired: next });
  }

  async function ask(): Promise<Look> {
    const answer = await controlPlane.fetchState(ledger.desired?.state.hash);
    if (answer.kind === 'same') {
      protocol = answer.protocol ?? protocol;
      await renumber(answer.generation, answer.revision);
      return { answered: true, error: undefined, changed: false, by: 'same' };
    }
    const changed = await accept({ ...answer.desired, state: assertWhole(answer.desired) });
    protocol = answer.desired.protocol;
    return { answered: true, error: undefined, changed, by: 'fetch' };
  }

  return {
    begin: async (least) => {
      ledger = { ...ledger, start: Math.max(ledger.start + 1, least) };
      await keep(ledger);
    },
    beginAfter: (start) => {
      ledger = { ...ledger, start: start + 1 };
    },
    get ledger() {
      return ledger;
    },
    get protocol() {
      return protocol;
    },
    look: async (hint) => {
      try {
        const led = hint === undefined ? undefined : ledTo(ledger.desired, hint);
        if (led === undefined) return await ask();
        return { answered: true, error: undefined, changed: await accept(led), by: 'delta' };
      } catch (error) {
        return { answered: false, error, changed: false, by: 'none' };
      }
    },
    noteApplied: async (desired, waiting) => {
      const applied = appliedOf(desired, waiting);
      const before = ledger.applied;
      // The numbers alone are not worth a write to disk.
      if (before !== undefined && holdsTheSame(before, applied)) ledger = { ...ledger, applied };
      else await keep({ ...ledger, applied });
    },
    endpoints: () => ({ ...ledger.desired?.state.endpoints, ...ledger.retiring }),
    retire: async (clean) => {
      if (clean.length === 0) return;
      const retiring = { ...ledger.retiring };
      for (const id of clean) delete retiring[id];
      await keep({ ...ledger, retiring });
    },
  };
}
