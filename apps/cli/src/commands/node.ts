import type { DriftAnswer, KernelObjectAnswer, NodeStateAnswer, ObservedAnswer, StepAnswer } from '../answers.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { revokeNode, showCredentials } from './access.js';
import { type AddCommand, inSession } from './command.js';

export const addNode: AddCommand = (cli, terminal) =>
  cli.command('node', 'What a node is meant to have in its kernel and what it has, and the credentials of its agent', (command) =>
    command
      .demandCommand(1, 'Say what to do: portolan node state NODE, credentials NODE or revoke NODE')
      .command(
        'state <node>',
        'Show the computed state of a node, object by object',
        (state) =>
          state
            .positional('node', nodeName)
            .options({
              observed: { type: 'boolean', describe: 'Show what the agent last saw in the kernel instead' },
              drift: { type: 'boolean', describe: 'Show what differs between the two instead' },
            })
            .conflicts('observed', 'drift'),
        inSession(terminal, async (session, { node, observed, drift }) => {
          if (drift === true) await showDrift(session, node);
          else if (observed === true) await showObserved(session, node);
          else await showState(session, node);
        }),
      )
      .command(
        'credentials <node>',
        'List the certificates of a node',
        (credentials) => credentials.positional('node', nodeName),
        inSession(terminal, async (session, { node }) => showCredentials(session, node)),
      )
      .command(
        'revoke <node>',
        'Cut the agent of a node off within seconds',
        (revoke) => revoke.positional('node', nodeName),
        inSession(terminal, async (session, { node }) => revokeNode(session, node)),
      ),
  );

const nodeName = { type: 'string', demandOption: true, describe: 'Name of the node' } as const;

const ENDPOINT = 'endpoint:';

/** Columns of kernel objects. People know an endpoint by its name; its namespace is named by its id, which stays. */
function objectColumns(endpoints: NodeStateAnswer['state']['endpoints']): readonly Column<KernelObjectAnswer>[] {
  return [
    { title: 'KIND', value: (object) => object.kind ?? object.body?.kind },
    {
      title: 'SPACE',
      value: ({ space }) =>
        space.startsWith(ENDPOINT) ? `${ENDPOINT}${endpoints[space.slice(ENDPOINT.length)]?.name ?? space.slice(ENDPOINT.length)}` : space,
    },
    { title: 'OBJECT', value: (object) => restOfKey(object) },
  ];
}

const reasonColumn: Column<KernelObjectAnswer> = { title: 'REASON', value: (object) => reasonOf(object.origin) };
const hashColumn: Column<KernelObjectAnswer> = {
  title: 'HASH',
  value: (object) => (object.hash === '' ? 'damaged' : object.hash),
  style: (object) => (object.hash === '' ? 'red' : 'dim'),
};
const actionStyles: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = { create: 'green', replace: 'yellow', delete: 'red' };
export const stepColumns: readonly Column<StepAnswer>[] = [
  { title: 'ACTION', value: (step) => step.action, style: (step) => actionStyles[step.action] },
  { title: 'OBJECT', value: (step) => step.key },
  { title: 'REASON', value: (step) => step.reason },
];

/** A key is KIND/SPACE/REST, or KIND/SPACE; kind and space have columns of their own. */
function restOfKey({ key, space }: KernelObjectAnswer): string | undefined {
  const rest = key.slice(key.indexOf('/') + 1 + space.length + 1);
  return rest === '' ? undefined : rest;
}

function reasonOf(origin: KernelObjectAnswer['origin']): string | undefined {
  if (origin === undefined) return undefined;
  const { computedBy, service, network, endpoint } = origin;
  return [computedBy, service && `service ${service}`, network && `network ${network}`, endpoint && `endpoint ${endpoint}`].filter(Boolean).join(', ');
}

async function showState(session: Session, node: string): Promise<void> {
  const answer = await session.client.get<NodeStateAnswer>(await session.inCluster('nodes', node, 'state'));
  const { state, generation, revision } = answer;
  session.show(
    answer,
    () =>
      `${renderTable(session.terminal, [...objectColumns(state.endpoints), reasonColumn], state.objects)}${state.objects.length} objects, generation ${generation}, from revision ${revision}\n`,
  );
}

async function showObserved(session: Session, node: string): Promise<void> {
  const answer = await session.client.get<ObservedAnswer>(await session.inCluster('nodes', node, 'observed'));
  session.show(answer, () => {
    const foreign = answer.foreign.map(({ space, text }) => `not ours, in ${space}: ${text}\n`).join('');
    return `${renderTable(session.terminal, [...objectColumns({}), hashColumn], answer.objects)}${foreign}${answer.objects.length} objects, seen ${answer.observedAt}\n`;
  });
}

async function showDrift(session: Session, node: string): Promise<void> {
  const answer = await session.client.get<DriftAnswer>(await session.inCluster('nodes', node, 'drift'));
  const waiting = answer.waiting.map((key) => `waits for its namespace: ${key}\n`).join('');
  session.show(answer, () =>
    answer.steps.length === 0
      ? `no drift: the kernel of ${node} is as computed\n${waiting}`
      : `${renderTable(session.terminal, stepColumns, answer.steps)}${waiting}`,
  );
}
