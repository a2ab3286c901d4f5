import type { NodeCredentialAnswer, RefusalAnswer } from '../access-answers.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { type AddCommand, inSession } from './command.js';
import { standing, standingStyle } from './token.js';

const credentialColumns: readonly Column<NodeCredentialAnswer>[] = [
  { title: 'SERIAL', value: ({ id }) => id },
  { title: 'IS', value: standing, style: standingStyle },
  { title: 'ISSUED', value: ({ issuedAt }) => issuedAt },
  { title: 'UNTIL', value: ({ revokedAt, expiresAt }) => revokedAt ?? expiresAt },
  { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
];

export async function showCredentials(session: Session, node: string): Promise<void> {
  const { items } = await session.client.get<{ items: readonly NodeCredentialAnswer[] }>(await session.inCluster('nodes', node, 'credentials'));
  session.show(items, () => (items.length === 0 ? `${node} has no credentials: it has not joined\n` : renderTable(session.terminal, credentialColumns, items)));
}

export async function revokeNode(session: Session, node: string): Promise<void> {
  const { body } = await session.client.send<{ readonly revoked: number }>(await session.inCluster('nodes', node, 'revoke'), { method: 'POST' });
  session.show(body, () =>
    body.revoked === 0
      ? `${node} had no certificate that was good: it is cut off already\n`
      : `${node} is cut off; its data path stays as it is, and it comes back with a new join token only\n`,
  );
}

const refusalColumns: readonly Column<RefusalAnswer>[] = [
  { title: 'WHEN', value: ({ at }) => at },
  { title: 'FROM', value: ({ from }) => from },
  { title: 'WHO', value: ({ actor }) => actor ?? undefined },
  { title: 'WHAT', value: ({ method, path }) => `${method} ${path}` },
  { title: 'REASON', value: ({ reason }) => reason },
];

export const addRefusals: AddCommand = (cli, terminal) =>
  cli.command(
    'refusals',
    'Show who was turned away, and why, newest first',
    (command) => command.options({ limit: { type: 'number', default: 50, describe: 'Refusals to show at most' } }),
    inSession(terminal, async (session, { limit }) => {
      const { items } = await session.client.get<{ items: readonly RefusalAnswer[] }>('/v1/refusals', { limit });
      session.show(items, () => (items.length === 0 ? 'nobody was refused\n' : renderTable(terminal, refusalColumns, items)));
    }),
  );
