import type { Written } from '@portolan/kernel';
import { PortolanError, type Problem, problem } from '@portolan/model';
import { kindOfKey, type ObservedState, wholeHash } from '@portolan/node-state';
import { type DesiredState, type Report, reportForProtocol, type SyncHint } from '@portolan/protocol';
import { backOff } from './clock.js';
import { type DesiredSource, desiredSource, type Look } from './desired.js';
import { driftWatch } from './drift.js';
import { cleanEndpoints, endpointPresence, settled } from './endpoints.js';
import { hostFacts } from './facts.js';
import type { Agent, AgentConfig, AgentPorts, AgentStatus } from './ports.js';
import { watchPresence } from './presence.js';
import { type Reading, type Reconciled, reconcile } from './reconcile.js';
import { reportOf } from './report.js';
import { reportNumbers } from './report-numbers.js';
import { reporter } from './reporter.js';
import { logRun } from './run-log.js';
import { type Run, singleFlight } from './single-flight.js';
import { teller } from './telling.js';
import { clusterTies } from './ties.js';
import { watchDoubts } from './watch/doubts.js';
import { watchKernel } from './watch/kernel.js';
import { watchTraffic } from './watch/traffic.js';
import { watchNode } from './watch/watch.js';

function problemsOf(error: unknown): readonly Problem[] {
  if (error instanceof PortolanError) return error.problems;
  return [problem('internal', '', error instanceof Error ? error.message : String(error))];
}

/** Reasons that are about the desired state alone: when it is the same and was reported, the kernel is not looked at. */
const aboutStateOnly: ReadonlySet<string> = new Set(['job', 'revision', 'newer']);

/** Milliseconds after which drift is told before it is repaired. */
const DRIFT_TOLD = 250;

/** Codes of what a look found wrong that the control plane itself should hear of. */
const remarkable: ReadonlySet<string> = new Set(['stale-generation', 'invalid-document', 'protocol-unsupported', 'apply-failed']);

/** Reasons to read again what others may have changed, and no more. */
const aboutDoubts: ReadonlySet<string> = new Set(['kernel', 'doubt']);
/** What the events of the host's kernel are about. */
const hostLinks: Written = new Map([['host', new Set(['links', 'peers', 'sysctls'])]]);
const noDoubts: Written = new Map();

/**
 * The loop of one node. Everything that happens only pokes it; each run does the same.
 *
 * ```
 * job ─┐                                               ┌─ answer newer: poke
 * revision ─┤      ┌─ ask ─► observe ─► plan ─► apply ─► observe ─► report
 * presence ─┼─poke─►│   └ no answer: the ledger's state
 * kernel ───┤      └─◄──────── again after back-off or resync
 * doubt ────┤
 * timer ────┤
 * start ────┘
 *
 * health, reachability, connections, lost namespaces ──► the last report once more, with these
 * what IPVS has counted ──► a message of its own
 * ```
 */
export function createAgent(config: AgentConfig, ports: AgentPorts): Agent {
  const { kernel, controlPlane, coordination, hints, clock, log, metrics } = ports;
  const {
    resync: ownResync = 30_000,
    presence = 2_000,
    quickPresence = 250,
    traffic = 0,
    retryFirst = 1_000,
    retryLast = 30_000,
    revisionDelay = 250,
  } = config;
  let source: DesiredSource;
  let openJob: SyncHint | undefined;
  let lastSeen: ObservedState['endpoints'] = {};
  /** When the last run that looked at the whole kernel began. */
  let lastFullRunAt = Number.NEGATIVE_INFINITY;
  let lastRunEndedAt = clock.now();
  /** Generation that was last reported as applied: that report has answered the jobs up to it. */
  let reportedGeneration = 0;
  let isCutOff = false;
  let isAtWork = false;
  let state: Omit<AgentStatus, 'resync'> = { generation: 0, revision: 0, status: 'idle', errors: [], lastRunAt: 0 };
  const closers: (() => Promise<void>)[] = [];

  const reports = reporter({
    numbers: reportNumbers(() => source),
    controlPlane: { sendReport: (report) => controlPlane.sendReport(reportForProtocol(report, source.protocol)) },
    clock,
    log,
    retryFirst,
    retryLast,
    foundAll: ({ stateHash, observed }) => {
      const { state } = source.ledger.desired ?? {};
      // Control planes take that for an answer since protocol 4.
      return source.protocol >= 4 && state?.hash === stateHash && wholeHash(state) === observed.hash;
    },
    onAnswer: (answer, report) => {
      drift.delivered(report);
      if (answer.generation > report.generation) void flight.poke('newer');
    },
    onOutcome: (outcome) => metrics.reportEnded(outcome),
  });

  const watch = watchNode({
    sight: ports.sight,
    clock,
    pathOf: kernel.layout.pathOf,
    isAbsent: (id) => lastSeen[id] === 'absent',
    onOutcome: (outcome) => metrics.probeEnded(outcome),
    onChange: (matters) => {
      metrics.signalsSeen(watch.signals());
      telling.changed(matters);
    },
    onCounted: () => {
      metrics.signalsSeen(watch.signals());
      telling.counted();
    },
  });
  const telling = teller({
    reports,
    clock,
    signals: () => watch.signals(),
    drift: () => drift.current(),
    isWanted: (id) => id in (source.ledger.desired?.state.endpoints ?? {}),
    onRepeated: () => metrics.signalsSent(),
  });
  const presenceOf = endpointPresence();
  const drift = driftWatch(() => clock.today());
  const host = hostFacts(kernel);

  let resync = ownResync;

  function noteResync(desired: DesiredState | undefined): void {
    const { everySeconds } = desired?.state.watch ?? {};
    resync = everySeconds === undefined ? ownResync : everySeconds * 1000;
  }

  let kernelWatch: ReturnType<typeof watchKernel> | undefined;

  function noteLook({ answered, error, by }: Look): void {
    metrics.stateTaken(by);
    // Of whether the control plane answers, a job tells nothing.
    if (by === 'delta') return;
    if (answered === !isCutOff) return;
    isCutOff = !answered;
    if (answered) log.info({}, 'the control plane answers again');
    else log.warn({ err: error, generation: source.ledger.desired?.generation ?? 0 }, 'no usable state from the control plane; the last one stays in force');
  }

  function remarksOf({ error }: Look): readonly Problem[] {
    return error instanceof PortolanError && remarkable.has(error.code) ? error.problems : [];
  }

  type Reached = Pick<Reconciled, 'problems'> &
    Partial<Reconciled> & {
      readonly endpoints: Report['endpoints'];
      /** What is told besides, without being a failure of the node. */
      readonly remarks: Reconciled['problems'];
      /** Drift that was set right. */
      readonly repaired: ReturnType<typeof drift.ended>;
      /** Something could not be done in the namespace of an endpoint. */
      readonly isMending: boolean;
    };

  async function reach({ state: wanted }: DesiredState, reading: Reading, doubts: Written): Promise<Reached> {
    let cancelTelling: () => void = () => undefined;
    try {
      await host.for(wanted);
      const done = await reconcile(kernel, wanted, source.endpoints(), {
        reading,
        doubts,
        onPlan: (plan, observed) => {
          const drifted = drift.seen(wanted, plan, observed);
          cancelTelling();
          // Repaired soon, it is told with the repair.
          if (drifted.size > 0) cancelTelling = clock.after(DRIFT_TOLD, () => telling.changed(true));
          return drifted;
        },
      });
      const repaired = drift.ended(wanted, { steps: done.left, waiting: done.waiting }, done.observed);
      const { endpoints, refused } = done.observed;
      lastSeen = endpoints;
      if (reading === 'all') watch.measure(wanted.address);
      await source.retire(cleanEndpoints(source.ledger.retiring, done.observed));
      const refusals = Object.entries(refused).flatMap(([id, refusal]) => (id in wanted.endpoints ? [refusal] : []));
      const presences = presenceOf.of(wanted, done);
      const { problems, setAside, waiting } = settled(done, presences);
      return { ...done, problems, waiting, endpoints: presences, remarks: [...setAside, ...refusals], repaired, isMending: setAside.length > 0 };
    } catch (error) {
      return { problems: problemsOf(error), endpoints: {}, remarks: [], repaired: [], isMending: false };
    } finally {
      cancelTelling();
      // Whatever became of the kernel, somebody waits to hear of what is watched.
      watch.follow(wanted);
    }
  }

  /** Without it the next run judges by an older note, which calls nothing drift that is none. */
  async function noteApplied(desired: DesiredState, waiting: Report['waiting']): Promise<void> {
    try {
      await source.noteApplied(desired, waiting);
    } catch (error) {
      log.warn({ err: error, generation: desired.generation }, 'what was applied is not noted on disk');
    }
  }

  async function noteStart(): Promise<void> {
    try {
      await source.begin(clock.today());
    } catch (error) {
      log.warn({ err: error }, 'that the agent started is not noted on disk');
    }
  }

  let loggedOpen = '';

  /** Keys in drift, when they are others than those that were logged last. */
  function newlyOpen(): readonly string[] {
    const keys = drift.current().open.map(({ key }) => key);
    const isNews = keys.join() !== loggedOpen;
    loggedOpen = keys.join();
    return isNews ? keys : [];
  }

  let mends = 0;
  let cancelMend: () => void = () => undefined;

  /** The node is well, but an endpoint of it is not: it is tried again like a run that failed. */
  function mendLater(isMending: boolean): void {
    cancelMend();
    mends = isMending ? mends + 1 : 0;
    if (isMending) cancelMend = clock.after(backOff(mends, retryFirst, retryLast, clock.random()), () => void flight.poke('endpoint'));
  }

  async function run({ reasons }: Run): Promise<boolean> {
    const begunAt = clock.now();
    const startedAt = clock.today();
    const seconds = (): number => (clock.now() - begunAt) / 1000;
    const job = openJob;
    // What others do to the kernel is mended at once, also where the control plane would first have to be waited for.
    const isMendingOnly = [...reasons].every((reason) => aboutDoubts.has(reason));
    const look: Look = isMendingOnly ? { answered: !isCutOff, error: undefined, changed: false, by: 'same' } : await source.look(job);
    if (!isMendingOnly) noteLook(look);
    const { desired } = source.ledger;
    noteResync(desired);
    if (desired === undefined) {
      metrics.syncEnded('idle', seconds());
      state = { ...state, lastRunAt: clock.today() };
      return false;
    }
    const onlyState = [...reasons].every((reason) => aboutStateOnly.has(reason));
    const isFresh = state.status === 'applied' && begunAt - lastFullRunAt < resync;
    if (onlyState && look.answered && !look.changed && isFresh && desired.generation === reportedGeneration) {
      if (job !== undefined && job.generation <= reportedGeneration && openJob === job) openJob = undefined;
      metrics.syncEnded('unchanged', seconds());
      state = { ...state, generation: desired.generation, revision: desired.revision, lastRunAt: clock.today() };
      return true;
    }

    const isQuick = isFresh && [...reasons].every((reason) => aboutStateOnly.has(reason) || aboutDoubts.has(reason));
    const reading = !isQuick ? 'all' : look.changed ? 'trusted' : 'doubted';
    const begun = telling.begin();
    kernelWatch?.begin();
    const done = await reach(desired, reading, reasons.has('kernel') ? hostLinks : noDoubts);
    // Of one that broke off nobody knows what it had written.
    kernelWatch?.ended(done.applied === undefined || done.applied.length > 0);
    const finishedAt = clock.today();
    if (reading === 'all') lastFullRunAt = begunAt;
    // Of a generation that the control plane has not given yet, nothing can be said.
    const answered = job !== undefined && job.generation <= desired.generation ? job : undefined;
    const report = reportOf(desired, done, done.problems, [...remarksOf(look), ...done.remarks], {
      agentVersion: config.version,
      jobId: answered?.jobId,
      startedAt,
      finishedAt,
      facts: host.facts,
      endpoints: done.endpoints,
    });
    const { steps } = report;
    metrics.commandsRan(done.applied ?? []);
    metrics.stateSeen(report);
    const { repaired } = done;
    metrics.driftRepaired(repaired.flatMap(({ key, kind }) => (kind === 'obstructed' ? [] : [kindOfKey(key)])));
    metrics.syncEnded(report.status, seconds());
    state = { generation: report.generation, revision: report.revision, status: report.status, errors: report.errors, lastRunAt: finishedAt };
    logRun(log, report, { reasons, milliseconds: Math.round(seconds() * 1000), repaired: repaired.length, open: newlyOpen(), isMending: done.isMending });

    const isAsked = reasons.has('start') || reasons.has('asked') || answered !== undefined;
    telling.ran(report, { begun, sawKernel: done.observed !== undefined, isDue: isAsked || steps.length > 0 || repaired.length > 0 });
    watch.applied(desired, done.steps ?? []);
    if (report.status === 'applied') {
      reportedGeneration = report.generation;
      await noteApplied(desired, report.waiting);
    }
    mendLater(done.isMending);
    // A job stays open until a run succeeds, so that the report that closes it names it.
    if (report.status === 'applied' && openJob === answered) openJob = undefined;
    return report.status === 'applied' && look.answered;
  }

  /**
   * The data path outlives an agent, its name server does not: names are served again before anybody is asked and before the kernel is
   * looked at. They are those of the last accepted state, which the kernel holds, or will in a moment.
   */
  async function restoreNames(desired: DesiredState | undefined): Promise<void> {
    if (ports.names === undefined || desired === undefined) return;
    try {
      const { found } = await kernel.resolve(source.endpoints());
      await ports.names.restore(desired.state.objects, found);
    } catch (error) {
      log.warn({ err: error }, 'names are not served until the first run');
    }
  }

  const flight = singleFlight(
    async (asked) => {
      isAtWork = true;
      try {
        return await run(asked);
      } catch (error) {
        log.error({ err: error }, 'a run of the loop failed');
        return false;
      } finally {
        isAtWork = false;
        lastRunEndedAt = clock.now();
      }
    },
    () => resync,
    clock,
    (failures) => backOff(failures, retryFirst, retryLast, clock.random()),
  );

  async function take(hint: SyncHint): Promise<void> {
    if (openJob === undefined || openJob.generation <= hint.generation) openJob = hint;
    const succeeded = await flight.poke('job');
    const held = source.ledger.desired?.generation ?? 0;
    if (!succeeded) throw new Error(`generation ${hint.generation} is not applied yet`);
    if (held < hint.generation) throw new Error(`the control plane gave generation ${held}, the job is of ${hint.generation}`);
  }

  return {
    start: async () => {
      source = await desiredSource(controlPlane, ports.ledger, config);
      const { desired, applied } = source.ledger;
      drift.begin(applied, desired?.state);
      log.info({ generation: desired?.generation ?? 0, revision: desired?.revision ?? 0 }, 'agent starts');
      await restoreNames(desired);
      if (ports.kernelEvents !== undefined) {
        kernelWatch = watchKernel({
          open: ports.kernelEvents,
          state: () => source.ledger.desired?.state,
          underlay: watch.underlayLink,
          clock,
          log,
          retryFirst,
          retryLast,
          onOutcome: (outcome, events) => metrics.kernelEventsSeen(outcome, events),
          onChange: () => void flight.poke('kernel'),
        });
      }
      await noteStart();
      void flight.poke('start');
      const stopDoubting = watchDoubts({ kernel, clock, log, isBusy: () => isAtWork, onDoubt: () => void flight.poke('doubt') });
      closers.push(async () => stopDoubting());
      if (traffic > 0) {
        const stopCounting = watchTraffic({
          state: () => source.ledger.desired?.state,
          read: (space) => ports.sight.serverCounters(kernel.layout.pathOf(space)),
          send: (reading) => controlPlane.sendTraffic(reading),
          protocol: () => source.protocol,
          isBusy: () => isAtWork,
          clock,
          log,
          every: traffic,
          onOutcome: (outcome) => metrics.trafficEnded(outcome),
        });
        closers.push(stopCounting);
      }
      hints.start(take);
      closers.push(
        watchPresence({
          kernel,
          endpoints: () => source.endpoints(),
          lastSeen: () => lastSeen,
          clock,
          log,
          every: presence,
          quick: quickPresence,
          onLost: (endpoints) => {
            watch.lost(endpoints);
            telling.lost(endpoints);
          },
          onChange: (endpoints) => {
            log.info({ endpoints }, 'namespaces of endpoints came or went');
            void flight.poke('presence');
          },
        }),
      );
      closers.push(
        clusterTies({
          coordination,
          ...config,
          clock,
          log,
          revisionDelay,
          onRevision: (revision) => {
            if (revision > (source.ledger.desired?.revision ?? 0)) void flight.poke('revision');
          },
        }),
      );
    },
    stop: async () => {
      const stopping = flight.stop();
      await Promise.allSettled([hints.close(), stopping, ...closers.map((close) => close())]);
      cancelMend();
      kernelWatch?.stop();
      watch.stop();
      telling.stop();
      await reports.stop();
      log.info({ generation: state.generation, revision: state.revision }, 'agent stopped; the data path stays');
    },
    sync: () => flight.poke('asked'),
    status: () => ({ ...state, resync }),
    idleFor: () => clock.now() - lastRunEndedAt,
  };
}
