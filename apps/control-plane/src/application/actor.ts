/** Who acts, and from where. Both are written to the audit trail. */
export interface Actor {
  /** The door, or who came through it; of what this program does by itself the name of the task. */
  readonly name: string;
  /** Address that the request came from; null where nobody asked. */
  readonly from: string | null;
}

const AGENT = 'agent:';

/** Tasks that note what is there, and never what is wanted. */
const notingTasks = ['conditions', 'drain', 'flannel'] as const;

/** What it commits takes back what people wanted. */
export const rolloutTaskActor: Actor = { name: 'rollout', from: null };

export function agentActor(node: string): Actor {
  return { name: `${AGENT}${node}`, from: null };
}

export function notingTask(name: (typeof notingTasks)[number]): Actor {
  return { name, from: null };
}

/** Whether a revision was made by what an agent saw. */
export function isByAgent({ actor }: { readonly actor: string }): boolean {
  return actor.startsWith(AGENT);
}

/**
 * Whether a revision only says what is there, by agents or by tasks; every other one says what somebody wants. A caller may have the name
 * of a task, but comes from somewhere.
 */
export function isObservation(revision: { readonly actor: string; readonly from: string | null }): boolean {
  return revision.from === null && (isByAgent(revision) || notingTasks.some((name) => name === revision.actor));
}
