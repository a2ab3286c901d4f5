import { portolanError } from '@portolan/model';
import type { NodeState } from '@portolan/node-state';
import { type DesiredState, PROTOCOL_VERSION } from '@portolan/protocol';
import type { ControlPlane } from './control-plane.js';
import { isWholeState, type Ledger, type LedgerFile } from './ledger.js';

/** What one look at the control plane gave. */
export interface Look {
  /** False when there was no answer, or none that can be used; `error` says why. */
  readonly answered: boolean;
  readonly error: unknown;
  /** The state is another one than before this look. */
  readonly changed: boolean;
}

export interface DesiredSource {
  readonly ledger: Ledger;
  /** Asks the control plane. Without a usable answer the state of the ledger stays. */
  look(): Promise<Look>;
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
  if (desired.protocol !== PROTOCOL_VERSION) {
    throw portolanError('invalid-document', '/protocol', `the control plane speaks protocol ${desired.protocol}, this agent ${PROTOCOL_VERSION}`, {
      fix: 'Install the version of the agent that belongs to the control plane.',
    });
  }
  if (desired.state.cluster !== cluster || desired.state.node !== node) {
    throw portolanError('invalid-document', '/state', `the state is that of node ${desired.state.node} of cluster ${desired.state.cluster}`);
  }
  if (!isWholeState(desired.state)) throw portolanError('invalid-document', '/state/hash', 'the state is not that of its hash');
}

/** The newest state that the control plane gave, held on disk. */
export async function desiredSource(controlPlane: Pick<ControlPlane, 'fetchState'>, file: LedgerFile, identity: Identity): Promise<DesiredSource> {
  let ledger = await file.read();
  // A folder that was copied from another node says nothing about this one.
  if (ledger.desired !== undefined && (ledger.desired.state.cluster !== identity.cluster || ledger.desired.state.node !== identity.node)) {
    ledger = { desired: undefined, retiring: {} };
  }

  async function keep(next: Ledger): Promise<void> {
    await file.write(next);
    ledger = next;
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
    await keep({ desired, retiring });
    return before?.state.hash !== desired.state.hash;
  }

  /** The state is the same, but it may be of a newer generation or revision. */
  async function renumber(generation: number | undefined, revision: number | undefined): Promise<void> {
    const { desired } = ledger;
    if (desired === undefined) return;
    const next = { ...desired, generation: Math.max(desired.generation, generation ?? 0), revision: Math.max(desired.revision, revision ?? 0) };
    if (next.generation === desired.generation && next.revision === desired.revision) return;
    // A revision alone is not worth a write to disk: it is asked for again after a restart.
    if (next.generation === desired.generation) ledger = { ...ledger, desired: next };
    else await keep({ ...ledger, desired: next });
  }

  return {
    get ledger() {
      return ledger;
    },
    look: async () => {
      try {
        const answer = await controlPlane.fetchState(ledger.desired?.state.hash);
        if (answer.kind === 'state') return { answered: true, error: undefined, changed: await accept(answer.desired) };
        await renumber(answer.generation, answer.revision);
        return { answered: true, error: undefined, changed: false };
      } catch (error) {
        return { answered: false, error, changed: false };
      }
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
