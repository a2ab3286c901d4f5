import { type Change, nounKinds } from '@portolan/model';
import type { KernelObject, ObservedObject } from '@portolan/node-state';
import type { CommandRecord, Report } from '@portolan/protocol';
import type { ObservedRow, RevisionRow } from '@portolan/store';
import { type Job, type JobLine, jobStatuses } from '../application/history.js';
import type { PlanLines, StepLine } from '../application/nodes.js';
import type { ClusterStatus, NodeStatus } from '../application/status.js';
import type { Builder } from './builder.js';
import { driftTypes } from './drift-types.js';
import type { InputTypes } from './inputs.js';
import { nodeErrorTypes } from './node-error-types.js';
import type { StateView } from './views.js';

/** Types that tell how far intent has come. They hold no relations, so REST shows them alike. */
export function progressTypes(builder: Builder, inputs: InputTypes) {
  const reportStatus = inputs.enumOf('ReportStatus', ['applied', 'failed']);
  const change = builder.objectRef<Change>('Change').implement({
    fields: (t) => ({
      action: t.field({ type: inputs.enumOf('ChangeAction', ['create', 'change', 'delete']), resolve: ({ action }) => action }),
      kind: t.field({ type: inputs.enumOf('ChangeKind', ['cluster', ...nounKinds, 'flannel', 'lease']), resolve: ({ kind }) => kind }),
      name: t.exposeString('name'),
    }),
  });
  const revision = builder.objectRef<RevisionRow>('Revision').implement({
    description: 'One commit to the intent of a cluster.',
    fields: (t) => ({
      revision: t.exposeInt('revision'),
      actor: t.exposeString('actor'),
      from: t.string({ nullable: true, description: 'Address that the request came from.', resolve: ({ from }) => from }),
      summary: t.exposeString('summary'),
      createdAt: t.exposeString('createdAt'),
      changes: t.field({ type: [change], resolve: ({ changes }) => [...changes] as Change[] }),
    }),
  });
  const { reportError, degradation } = nodeErrorTypes(builder);
  const drift = driftTypes(builder, inputs);
  const nodeStatus = builder.objectRef<NodeStatus>('NodeStatus').implement({
    description: 'How far one node has come.',
    fields: (t) => ({
      id: t.exposeID('id'),
      name: t.exposeString('name'),
      alive: t.boolean({ nullable: true, description: 'null while etcd does not say.', resolve: ({ alive }) => alive }),
      generation: t.exposeInt('generation'),
      stateHash: t.exposeString('stateHash'),
      computedRevision: t.exposeInt('computedRevision'),
      appliedRevision: t.exposeInt('appliedRevision'),
      lastReportAt: t.string({ nullable: true, resolve: ({ lastReportAt }) => lastReportAt }),
      lastStatus: t.field({ type: reportStatus, nullable: true, resolve: ({ lastStatus }) => lastStatus }),
      lastErrors: t.field({ type: [reportError], resolve: ({ lastErrors }) => [...lastErrors] }),
      failures: t.exposeInt('failures', { description: 'Reports in a row that say that the state could not be applied.' }),
      failingSince: t.string({ nullable: true, resolve: ({ failingSince }) => failingSince }),
      degraded: t.field({ type: degradation, nullable: true, description: 'null: it does not keep failing.', resolve: ({ degraded }) => degraded }),
      lastWaiting: t.stringList({ resolve: ({ lastWaiting }) => [...lastWaiting] }),
      facts: t.field({ type: 'JSON', resolve: ({ facts }) => facts }),
    }),
  });
  const clusterStatus = builder.objectRef<ClusterStatus>('ClusterStatus').implement({
    description: 'The revisions of a cluster are the lowest of its nodes.',
    fields: (t) => ({
      cluster: t.exposeString('cluster'),
      intentRevision: t.exposeInt('intentRevision'),
      computedRevision: t.exposeInt('computedRevision'),
      appliedRevision: t.exposeInt('appliedRevision'),
      nodes: t.field({ type: [nodeStatus], resolve: ({ nodes }) => [...nodes] }),
    }),
  });
  const step = builder.objectRef<StepLine>('PlanStep').implement({
    fields: (t) => ({ action: t.exposeString('action'), key: t.exposeString('key'), reason: t.exposeString('reason') }),
  });
  const plan = builder.objectRef<PlanLines>('Plan').implement({
    fields: (t) => ({
      from: t.exposeString('from'),
      to: t.exposeString('to'),
      steps: t.field({ type: [step], resolve: ({ steps }) => [...steps] }),
      waiting: t.stringList({ resolve: ({ waiting }) => [...waiting] }),
    }),
  });
  const command = builder.objectRef<CommandRecord>('Command').implement({
    description: 'A process that an agent ran.',
    fields: (t) => ({
      space: t.exposeString('space'),
      command: t.exposeString('command'),
      input: t.exposeString('input'),
      exitCode: t.exposeInt('exitCode'),
      stdout: t.exposeString('stdout'),
      stderr: t.exposeString('stderr'),
      milliseconds: t.exposeFloat('milliseconds'),
    }),
  });
  const report = builder.objectRef<Report>('Report').implement({
    description: 'What an agent said after a run.',
    fields: (t) => ({
      agentVersion: t.exposeString('agentVersion'),
      generation: t.exposeInt('generation'),
      revision: t.exposeInt('revision'),
      stateHash: t.exposeString('stateHash'),
      status: t.field({ type: reportStatus, resolve: ({ status }) => status }),
      startedAt: t.exposeString('startedAt'),
      finishedAt: t.exposeString('finishedAt'),
      steps: t.field({ type: 'JSON', resolve: ({ steps }) => steps }),
      commands: t.field({ type: [command], resolve: ({ commands }) => commands }),
      errors: t.field({ type: [reportError], resolve: ({ errors }) => errors }),
      waiting: t.stringList({ resolve: ({ waiting }) => waiting }),
    }),
  });
  const job = builder.objectRef<JobLine | Job>('Job').implement({
    description: 'A change of state that was sent to a node.',
    fields: (t) => ({
      id: t.exposeID('id'),
      node: t.exposeString('node'),
      generation: t.exposeInt('generation'),
      revision: t.exposeInt('revision'),
      status: t.field({ type: inputs.enumOf('JobStatus', jobStatuses), resolve: ({ status }) => status }),
      createdAt: t.exposeString('createdAt'),
      finishedAt: t.string({ nullable: true, resolve: ({ finishedAt }) => finishedAt }),
      plan: t.field({ type: plan, resolve: (line) => line.plan }),
      report: t.field({
        type: report,
        nullable: true,
        description: 'Only where one job is asked for by its id.',
        resolve: (line) => ('report' in line ? line.report : null),
      }),
    }),
  });
  const kernelObject = builder.objectRef<KernelObject>('KernelObject').implement({
    description: 'One thing that a kernel should hold, in words that name no tool.',
    fields: (t) => ({
      key: t.exposeString('key'),
      hash: t.exposeString('hash'),
      space: t.string({ resolve: ({ space }) => space }),
      kind: t.string({ resolve: ({ body }) => body.kind }),
      body: t.field({ type: 'JSON', resolve: ({ body }) => body }),
      origin: t.field({ type: 'JSON', resolve: ({ origin }) => origin }),
    }),
  });
  const nodeState = builder.objectRef<StateView>('NodeState').implement({
    description: 'What the kernel of a node should hold.',
    fields: (t) => ({
      generation: t.exposeInt('generation'),
      revision: t.exposeInt('revision'),
      hash: t.exposeString('hash'),
      endpoints: t.field({ type: 'JSON', resolve: async (own) => (await own.state()).endpoints }),
      objects: t.field({ type: [kernelObject], resolve: async (own) => [...(await own.state()).objects] }),
    }),
  });
  const observedObject = builder.objectRef<ObservedObject>('ObservedObject').implement({
    fields: (t) => ({
      key: t.exposeString('key'),
      hash: t.exposeString('hash'),
      space: t.string({ resolve: ({ space }) => space }),
      kind: t.string({ resolve: ({ kind }) => kind }),
      body: t.field({ type: 'JSON', nullable: true, resolve: ({ body }) => body ?? null }),
    }),
  });
  const observedState = builder.objectRef<ObservedRow>('ObservedState').implement({
    description: 'What the kernel of a node held when its agent last looked.',
    fields: (t) => ({
      hash: t.exposeString('hash'),
      observedAt: t.exposeString('observedAt'),
      objects: t.field({ type: [observedObject], resolve: ({ objects }) => [...objects] }),
      foreign: t.field({ type: 'JSON', resolve: ({ foreign }) => foreign }),
    }),
  });
  return { change, revision, nodeStatus, clusterStatus, plan, job, nodeState, observedState, drift };
}

export type ProgressTypes = ReturnType<typeof progressTypes>;
