import type { FindingAnswer, PoolAnswer } from '../answers.js';
import { type Column, renderTable } from '../table.js';
import { styled, type Terminal } from '../terminal.js';
import { type AddCommand, inSession } from './command.js';

const poolColumns: readonly Column<PoolAnswer>[] = [
  { title: 'POOL', value: (pool) => pool.pool },
  { title: 'NAME', value: (pool) => (pool.name === '' ? undefined : pool.name) },
  { title: 'RANGE', value: (pool) => pool.range },
  { title: 'SIZE', value: (pool) => pool.size, align: 'right' },
  { title: 'USED', value: (pool) => pool.used, align: 'right' },
  { title: 'RETIRED', value: (pool) => pool.retired, align: 'right', style: (pool) => (pool.retired === 0 ? 'dim' : 'yellow') },
  { title: 'FREE', value: (pool) => pool.free, align: 'right', style: (pool) => (pool.free === 0 ? 'red' : undefined) },
  { title: 'USED BY', value: ({ by }) => usersOf(by) },
];

function usersOf(by: PoolAnswer['by']): string | undefined {
  const users = Object.entries(by).filter(([, count]) => count > 0);
  return users.length === 0 ? undefined : users.map(([user, count]) => `${count} ${user}`).join(', ');
}

export const addPools: AddCommand = (cli, terminal) =>
  cli.command(
    'pools',
    'Show how much of each pool is used, and by what: subnets, addresses, marks, VNIs, ports',
    (command) => command.epilogue('RETIRED: given up, but a node may still hold it; free as soon as every node has applied that.'),
    inSession(terminal, async (session) => {
      const { items } = await session.client.get<{ items: readonly PoolAnswer[] }>(await session.inCluster('pools'));
      session.show(items, () => renderTable(terminal, poolColumns, items));
    }),
  );

export const addFindings: AddCommand = (cli, terminal) =>
  cli.command(
    'findings',
    'Show what works, but perhaps not as meant',
    (command) => command,
    inSession(terminal, async (session) => {
      const { items } = await session.client.get<{ items: readonly FindingAnswer[] }>(await session.inCluster('findings'));
      session.show(items, () => (items.length === 0 ? 'nothing found\n' : items.map((finding) => findingText(terminal, finding)).join('')));
    }),
  );

function findingText(terminal: Terminal, { severity, code, subject, field, message, fix }: FindingAnswer): string {
  const mark = styled(terminal, severity === 'block' ? 'red' : 'yellow', `${severity}:`);
  return `${mark} ${subject.kind} ${subject.name}${field === '' ? '' : `, ${field}`}: ${message} [${code}]\n  fix: ${fix}\n`;
}
