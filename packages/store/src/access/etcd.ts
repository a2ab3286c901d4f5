import type { Id } from '@portolan/model';
import { etcdKeys } from '@portolan/protocol';
import { EtcdRoleExistsError, EtcdRoleNotFoundError, EtcdUserExistsError, EtcdUserNotFoundError } from 'etcd3';
import type { GrantedNode } from '../credentials.js';
import { answerOf, connectEtcd, type EtcdUser } from '../etcd/client.js';

const PREFIX = 'portolan.node.';

export interface EtcdUsers {
  /** Makes the user of a node, or changes its password, which ends the tokens that it got with the old one. */
  set(node: GrantedNode): Promise<void>;
  /** Deletes the user, its role, and the liveness key that the role let it write. */
  delete(nodeId: Id): Promise<void>;
  list(): Promise<ReadonlySet<Id>>;
  close(): void;
}

export interface EtcdUsersOptions {
  readonly endpoints: readonly string[];
  /** Who may change users: root. */
  readonly user: EtcdUser;
  readonly passwordOf: (node: Pick<GrantedNode, 'nodeId' | 'credential'>) => string;
}

/**
 * One user and one role of etcd for each node. Leases need no permission of their own in etcd: whoever is let in may make one and keep it
 * alive; it may be revoked only by those who may write the keys that go with it.
 */
export function openEtcdUsers({ endpoints, user, passwordOf }: EtcdUsersOptions): EtcdUsers {
  const etcd = connectEtcd(endpoints, { user });

  /** The client maps errors by their class, which `answerOf` would wrap. */
  async function unless(expected: new (...args: never[]) => Error, call: () => Promise<unknown>): Promise<boolean> {
    let isExpected = false;
    await answerOf(
      call().catch((error: unknown) => {
        if (!(error instanceof expected)) throw error;
        isExpected = true;
      }),
    );
    return !isExpected;
  }

  return {
    async set(node) {
      const name = `${PREFIX}${node.nodeId}`;
      const role = etcd.role(name);
      await unless(EtcdRoleExistsError, () => role.create());
      await answerOf(
        role.grant([
          { permission: 'Read', key: etcdKeys.revision(node.cluster) },
          { permission: 'Readwrite', key: etcdKeys.alive(node.cluster, node.node) },
        ]),
      );
      const password = passwordOf(node);
      const isNew = await unless(EtcdUserExistsError, () => etcd.user(name).create(password));
      if (!isNew) await answerOf(etcd.user(name).setPassword(password));
      await answerOf(etcd.user(name).addRole(name));
    },
    async delete(nodeId) {
      const name = `${PREFIX}${nodeId}`;
      await unless(EtcdUserNotFoundError, () => etcd.user(name).delete());
      const role = etcd.role(name);
      await unless(EtcdRoleNotFoundError, async () => {
        const written = (await role.permissions()).filter(({ permission }) => permission === 'Readwrite');
        await Promise.all(written.map(({ range }) => etcd.delete().range(range)));
        await role.delete();
      });
    },
    async list() {
      const users = await answerOf(etcd.getUsers());
      return new Set(users.filter(({ name }) => name.startsWith(PREFIX)).map(({ name }) => name.slice(PREFIX.length)));
    },
    close: () => etcd.close(),
  };
}
