import type { BackendAnswer, ProgrammedAnswer, ServiceTrafficAnswer } from '../answers.js';
import { CommandFailure, exitCodes } from '../failure.js';
import { type Column, renderTable } from '../table.js';
import { type AddCommand, inSession } from './command.js';

type Counted = Omit<BackendAnswer, 'endpoint' | 'share'>;

const counted: readonly Column<Counted>[] = [
  { title: 'REQUESTS', value: ({ connections }) => connections, align: 'right' },
  { title: 'PER SECOND', value: ({ perSecond }) => perSecond?.toFixed(1), align: 'right' },
  { title: 'OPEN', value: ({ active }) => active, align: 'right' },
  { title: 'BYTES IN', value: ({ inBytes }) => inBytes, align: 'right' },
  { title: 'BYTES OUT', value: ({ outBytes }) => outBytes, align: 'right' },
];

const backendColumns: readonly Column<BackendAnswer>[] = [
  { title: 'BACKEND', value: ({ endpoint }) => endpoint },
  { title: 'SHARE', value: ({ share }) => `${share.toFixed(1)} %`, align: 'right' },
  ...counted,
];

const nodeColumns: readonly Column<ServiceTrafficAnswer['nodes'][number]>[] = [
  { title: 'FROM NODE', value: ({ node }) => node },
  ...counted,
  { title: 'READ AT', value: ({ readAt }) => readAt },
];

const virtualServerStyles = { present: 'green', missing: 'red', different: 'red', unknown: 'dim' } as const;

const placeColumns: readonly Column<ProgrammedAnswer>[] = [
  { title: 'NODE', value: ({ node }) => node },
  { title: 'NETWORK', value: ({ network }) => network },
  { title: 'NAMESPACE', value: ({ space }) => space.replace(/^own:/, '') },
  { title: 'MARK', value: ({ mark, local }) => `0x${mark.toString(16)}${local ? ' (local)' : ''}` },
  { title: 'VIRTUAL SERVER', value: ({ virtualServer }) => virtualServer, style: ({ virtualServer }) => virtualServerStyles[virtualServer] },
  { title: 'REAL SERVERS', value: ({ realServers, wantedRealServers }) => `${realServers ?? '?'} of ${wantedRealServers}` },
  { title: 'APPLIED', value: ({ appliedRevision }) => appliedRevision, align: 'right' },
  { title: 'FAULTS', value: ({ faults }) => (faults.length === 0 ? undefined : faults.join(', ')), style: () => 'red' },
];

export const addService: AddCommand = (cli, terminal) =>
  cli.command('service', 'Show what a service is sent, and where it is programmed', (command) =>
    command
      .demandCommand(1, 'Say what to show: portolan service traffic NAME or portolan service programmed NAME')
      .command(
        'traffic <name>',
        'Show requests by backend and by node, as the kernels have counted them',
        (traffic) => traffic.positional('name', { type: 'string', demandOption: true, describe: 'Name of the service' }),
        inSession(terminal, async (session, { name }) => {
          const answer = await session.client.get<ServiceTrafficAnswer>(await session.inCluster('services', name, 'traffic'));
          session.show(answer, () => {
            if (answer.readAt === null) return 'no agent has counted requests of it yet\n';
            return `${renderTable(terminal, backendColumns, answer.backends)}\n${renderTable(terminal, nodeColumns, answer.nodes)}`;
          });
        }),
      )
      .command(
        'programmed <name>',
        'Show its virtual server on each node: what should be in the kernel, and what is',
        (programmed) =>
          programmed
            .positional('name', { type: 'string', demandOption: true, describe: 'Name of the service' })
            .epilogue('Exit code 1 where something is missing, different, or there although it should not be.'),
        inSession(terminal, async (session, { name }) => {
          const { items } = await session.client.get<{ items: readonly ProgrammedAnswer[] }>(await session.inCluster('services', name, 'programmed'));
          session.show(items, () => (items.length === 0 ? `${name} is balanced on no node\n` : renderTable(terminal, placeColumns, items)));
          const wrong = items.filter(({ faults }) => faults.length > 0).length;
          if (wrong > 0)
            throw new CommandFailure(exitCodes.refused, `${wrong} of ${items.length} places are not as they should be`, 'portolan drift shows since when.');
        }),
      ),
  );
