import type { Id } from '@portolan/model';
import type { GrantedNode, NodeAccess } from '../credentials.js';

export interface MemoryAccess extends NodeAccess {
  /** Who has users now. */
  readonly users: ReadonlyMap<Id, GrantedNode>;
}

/** Users of servers that are not there. */
export function createMemoryAccess(): MemoryAccess {
  const users = new Map<Id, GrantedNode>();
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work, work);
    turn = mine.catch(() => undefined);
    return mine;
  }

  return {
    users,
    grant: (node, noted = async () => undefined) =>
      inTurn(async () => {
        users.set(node.nodeId, node);
        try {
          await noted();
        } catch (error) {
          users.delete(node.nodeId);
          throw error;
        }
        return { redisUrl: null, etcd: null };
      }),
    revoke: (nodeId) => inTurn(async () => void users.delete(nodeId)),
    reconcile: (readWanted) =>
      inTurn(async () => {
        const wanted = new Map((await readWanted()).map((node) => [node.nodeId, node]));
        for (const id of [...users.keys()]) if (!wanted.has(id)) users.delete(id);
        for (const [id, node] of wanted) users.set(id, node);
      }),
    close: async () => undefined,
  };
}
