import type { FlannelSpec } from '@portolan/model';
import { parse } from 'yaml';
import type { FlannelLeaseAnswer, FlannelStatusAnswer } from '../answers.js';
import { CommandFailure, exitCodes, usageFailure } from '../failure.js';
import { readSourceDocument } from '../manifest-file.js';
import type { Session } from '../session.js';
import { type Column, renderTable } from '../table.js';
import { styled, type Terminal } from '../terminal.js';
import { sendWaiting, waitOptions } from '../waiting.js';
import { type AddCommand, inSession } from './command.js';
import { renderDescription } from './description.js';

const backendTypes = ['vxlan', 'host-gw', 'udp'] as const;

export const addFlannel: AddCommand = (cli, terminal) =>
  cli.command('flannel', 'The flannel network: a subnet for each node, reached by VXLAN, routes or UDP', (command) =>
    command
      .demandCommand(1, 'Say what to do: portolan flannel status, show, set, adopt or delete')
      .command(
        'status',
        'Show who owns which subnet, how long, and what the kernels have',
        (status) =>
          status.epilogue('A node without a name is foreign: flanneld wrote its lease. LEFT is the time until the lease expires unless it is renewed.'),
        inSession(terminal, async (session) => {
          const answer = await session.client.get<FlannelStatusAnswer>(await session.inCluster('flannel', 'status'));
          session.show(answer, () => describeStatus(terminal, answer));
        }),
      )
      .command(
        'show',
        'Show the flannel network as it was set',
        (show) => show,
        inSession(terminal, async (session) => {
          const answer = await session.client.get<FlannelSpec>(await session.inCluster('flannel'));
          session.show(answer, () => renderDescription(terminal, answer));
        }),
      )
      .command(
        'set',
        'Set the flannel network: from a file, or what is given here over what is set',
        (set) =>
          set
            .options({
              file: { alias: 'f', type: 'string', requiresArg: true, describe: 'The whole of it as YAML or JSON; - reads standard input' },
              network: { type: 'string', requiresArg: true, describe: 'The whole network, such as 10.244.0.0/16' },
              'subnet-len': { type: 'number', requiresArg: true, describe: "Length of a node's subnet, in bits" },
              backend: { choices: backendTypes, requiresArg: true, describe: 'How packets cross between hosts; with --option its options' },
              option: { alias: 'O', type: 'string', array: true, requiresArg: true, describe: 'NAME=VALUE of the backend, such as directRouting=true' },
              ...waitOptions,
            })
            .conflicts('file', ['network', 'subnet-len', 'backend', 'option'])
            .example('$0 flannel set --network 10.244.0.0/16 --backend vxlan --wait', 'begin')
            .example('$0 flannel set --backend host-gw --wait', 'change the backend of a live cluster, node by node'),
        inSession(terminal, async (session, { file, network, subnetLen, backend, option, wait, timeout }) => {
          if (file !== undefined) {
            const document = await readSourceDocument(terminal, file);
            return send(session, 'PUT', document.value, wait ? timeout : undefined, document.locate);
          }
          const given = { network, subnetLen, backend, options: option ?? [] };
          return send(session, 'PUT', await mergedSpec(session, given), wait ? timeout : undefined);
        }),
      )
      .command(
        'adopt',
        'Take over the network that a registry in etcd describes, with the leases in it',
        (adopt) =>
          adopt
            .options({
              prefix: { type: 'string', default: '/coreos.com/network', describe: 'Prefix of the registry, as flanneld has it in -etcd-prefix' },
              ...waitOptions,
            })
            .example('$0 flannel adopt --wait', 'stop flanneld on the hosts that run our agent, one after another, afterwards'),
        inSession(terminal, async (session, { prefix, wait, timeout }) => send(session, 'POST', { prefix }, wait ? timeout : undefined)),
      )
      .command(
        'delete',
        'Delete the flannel network: the subnets of our nodes are given back',
        (remove) => remove.options(waitOptions),
        inSession(terminal, async (session, { wait, timeout }) => send(session, 'DELETE', undefined, wait ? timeout : undefined)),
      ),
  );

type Locate = Awaited<ReturnType<typeof readSourceDocument>>['locate'];

const outcomes = { PUT: 'the flannel network is set', POST: 'the registry is adopted', DELETE: 'the flannel network is deleted' } as const;

async function send(session: Session, method: keyof typeof outcomes, body: unknown, waitSeconds: number | undefined, locate?: Locate): Promise<void> {
  const path = await session.inCluster('flannel', ...(method === 'POST' ? ['adopt'] : []));
  const request = { method, ...(body === undefined ? {} : { body }) };
  try {
    const answer =
      waitSeconds === undefined
        ? await session.client.send<unknown>(path, request)
        : await sendWaiting<unknown>(session, path, request, 'applied', waitSeconds);
    const revision = answer?.revision;
    session.show(answer?.body ?? { revision }, () => `${outcomes[method]}${revision === undefined ? '' : `, revision ${revision}`}\n`);
  } catch (error) {
    throw error instanceof CommandFailure && error.exitCode === exitCodes.refused && locate !== undefined ? error.at(locate) : error;
  }
}

interface Given {
  readonly network: string | undefined;
  readonly subnetLen: number | undefined;
  readonly backend: (typeof backendTypes)[number] | undefined;
  readonly options: readonly string[];
}

/** What is set, with what is given in its place. Options of a backend begin anew with another backend. */
async function mergedSpec(session: Session, { network, subnetLen, backend, options }: Given): Promise<object> {
  if (network === undefined && subnetLen === undefined && backend === undefined && options.length === 0) {
    throw usageFailure('nothing is given to set', 'Name a file with -f, or give --network, --subnet-len, --backend or --option.');
  }
  const before = await currentSpec(session);
  if (before === undefined && (network === undefined || backend === undefined)) {
    throw usageFailure('the cluster has no flannel network yet', 'Give --network and --backend.');
  }
  const type = backend ?? before?.backend.type;
  const kept = type === before?.backend.type ? before?.backend : undefined;
  return {
    ...before,
    ...(network === undefined ? {} : { network }),
    ...(subnetLen === undefined ? {} : { subnetLen }),
    backend: { ...kept, type, ...Object.fromEntries(options.map(optionOf)) },
  };
}

async function currentSpec(session: Session): Promise<FlannelSpec | undefined> {
  try {
    return await session.client.get<FlannelSpec>(await session.inCluster('flannel'));
  } catch (error) {
    if (error instanceof CommandFailure && error.problems.some(({ code }) => code === 'not-found')) return undefined;
    throw error;
  }
}

function optionOf(text: string): readonly [string, unknown] {
  const [, name, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw usageFailure(`"${text}" is no option`, 'Write NAME=VALUE, such as directRouting=true.');
  return [name, parse(value)];
}

const leaseColumns: readonly Column<FlannelLeaseAnswer>[] = [
  { title: 'NODE', value: ({ node, foreign }) => node ?? (foreign ? '(foreign)' : undefined), style: ({ node }) => (node === null ? 'dim' : undefined) },
  { title: 'SUBNET', value: ({ subnet, key }) => subnet ?? key ?? undefined },
  { title: 'ADDRESS', value: ({ publicAddress }) => publicAddress ?? undefined },
  { title: 'BACKEND', value: ({ backendType, vni }) => (backendType === null ? undefined : vni === null ? backendType : `${backendType} ${vni}`) },
  { title: 'VTEP MAC', value: ({ vtepMac }) => vtepMac ?? undefined },
  { title: 'LEFT', value: leftText, style: ({ secondsLeft }) => (secondsLeft !== null && secondsLeft < 3600 ? 'red' : undefined), align: 'right' },
  { title: 'KERNEL', value: kernelText, style: ({ kernel }) => (kernel === null ? undefined : kernel.inSync ? 'green' : 'red') },
];

function leftText({ key, reserved, secondsLeft }: FlannelLeaseAnswer): string | undefined {
  if (key === null) return undefined;
  if (reserved) return 'reserved';
  if (secondsLeft === null) return 'unknown';
  return secondsLeft >= 3600 ? `${Math.floor(secondsLeft / 3600)} h ${Math.floor((secondsLeft % 3600) / 60)} min` : `${Math.floor(secondsLeft / 60)} min`;
}

function kernelText({ kernel }: FlannelLeaseAnswer): string | undefined {
  if (kernel === null) return undefined;
  return kernel.inSync ? `in sync (${kernel.found})` : `${kernel.found} of ${kernel.wanted} objects`;
}

function describeStatus(terminal: Terminal, { phase, waitsFor, etcd, spec, leases }: FlannelStatusAnswer): string {
  const summary = `${spec.network} by ${spec.backend.type}, ${leases.filter(({ key }) => key !== null).length} leases, ${phase}`;
  const waits = [...waitsFor.nodes, ...waitsFor.foreign.map((address) => `${address} (foreign)`)];
  return [
    `${styled(terminal, phase === 'active' && etcd ? 'green' : 'yellow', summary)}\n`,
    ...(etcd ? [] : [`${styled(terminal, 'red', 'etcd does not answer: leases are as they were seen last, and the data path stays')}\n`]),
    ...(waits.length === 0 ? [] : [`waits for: ${waits.join(', ')}\n`]),
    '\n',
    leases.length === 0 ? 'no leases\n' : renderTable(terminal, leaseColumns, leases),
    ...leases.map((lease) => troubleOf(lease)),
  ].join('');
}

function troubleOf({ key, node, publicAddress, fault, reason, kernel }: FlannelLeaseAnswer): string {
  const who = node ?? publicAddress ?? key ?? '';
  const differing = kernel === null || kernel.inSync ? [] : kernel.differing.map((one) => `${who}: not as wanted: ${one}\n`);
  return [...(fault === null ? [] : [`${key}: ${fault}\n`]), ...(reason === null ? [] : [`${who}: ${reason}\n`]), ...differing].join('');
}
