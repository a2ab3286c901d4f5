import type { Id } from '@portolan/model';
import type { GrantedNode, NodeAccess } from '../credentials.js';

export interface MemoryAccess extends NodeAccess {
  /** Who has users now. */
  readonly users: ReadonlyMap<Id, GrantedNode>;
}

/** Users of servers that are not there. */
export function createMemoryAccess(): MemoryAccess {
  const users = new Map<Id, GrantedNode>();
  return {
    users,
    async grant(node) {
      users.set(node.nodeId, node);
      return { redisUrl: null, etcd: null };
    },
    async revoke(nodeId) {
      users.delete(nodeId);
    },
    async reconcile(readWanted) {
      const before = [...users.keys()];
      const wanted = new Map((await readWanted()).map((node) => [node.nodeId, node]));
      for (const [id, node] of wanted) users.set(id, node);
      for (const id of before) if (!wanted.has(id)) users.delete(id);
    },
    close: async () => undefined,
  };
}
