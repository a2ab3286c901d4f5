import type { NodeState, ObservedState } from '@portolan/node-state';
import {
  asFound,
  changesInPlace,
  dependentsOf,
  diffNodeState,
  heldBack,
  isRule,
  keyOfStep,
  type Plan,
  type Step,
  type Target,
  waysOfNames,
} from '@portolan/plan';
import { type Batch, type KeptRules, keptRules, renderPlan } from '@portolan/render';
import { bisect } from './bisect.js';
import type { AppliedBatch, Kernel, Observation } from './ports.js';
import type { Written } from './written.js';

/** What did not go, and the process that said so. */
export interface Blame {
  /** Left out where it is not known which of a batch, or where it is none of them. */
  readonly key?: string;
  readonly ran: AppliedBatch;
  /** Of what the process said that which is about this key. */
  readonly said: string;
}

export interface CarriedOut {
  readonly applied: readonly AppliedBatch[];
  readonly blames: readonly Blame[];
  /** Keys that were left as they were found: the blamed, what rests on them, and what must not go as long as they are not there. */
  readonly aside: ReadonlySet<string>;
}

export interface Carrying {
  readonly kernel: Pick<Kernel, 'apply' | 'layout' | 'rulesOf'>;
  /** What was observed and what is wanted. */
  readonly target: Target;
  readonly plan: Plan;
  /** Keys that the plan leaves as they are (see `asFound`): their rules stay as they were found. */
  readonly alone: ReadonlySet<string>;
  /** Reads these tables again. */
  readonly observe: (written: Written) => Promise<Observation>;
}

/** So many objects of one batch are blamed before the rest of it is given up. */
const MOST_BLAMED = 8;

/** Tools whose batch is carried out as a whole or not at all, without a process, and does no harm when it is carried out again. */
const wholes: ReadonlySet<Batch['tool']> = new Set(['dns', 'relay']);
/** Tools that are no process: as many attempts as there are lines cost nothing. */
const calls: ReadonlySet<Batch['tool']> = new Set(['netns', 'sysctl', 'ipvsadm', 'file']);

/** Whoever waits for the lock of iptables waits in vain, whatever the rules are. */
const isLocked = ({ stderr }: AppliedBatch): boolean => stderr.includes('xtables lock');

/** The lines from `from` on that are for some key other than these; undefined where there are none. */
function remaining(batch: Batch, without: ReadonlySet<string>, from = 0): Batch | undefined {
  const { owners, text } = batch;
  if (owners === undefined) return batch.keys.every((key) => without.has(key)) ? undefined : batch;
  const lines = text.split('\n');
  const kept = owners.flatMap((keys, line) => (line >= from && keys.some((key) => !without.has(key)) ? [{ keys, text: `${lines[line]}\n` }] : []));
  if (kept.length === owners.length) return batch;
  if (kept.length === 0) return undefined;
  const keys = new Set(kept.flatMap((line) => line.keys).filter((key) => !without.has(key)));
  return { ...batch, text: kept.map((line) => line.text).join(''), owners: kept.map((line) => line.keys), keys: [...keys] };
}

/**
 * Carries out a plan. What fails keeps nothing else from being done: the objects to blame are found, they and what rests on them are set
 * aside, what they were to replace stays, and everything else goes on in the order of the plan.
 *
 * - `ip`, `bridge` name the line that failed: one process more for each object that is blamed, at most `MOST_BLAMED` in a batch.
 * - IPVS, sysctls, namespaces and files are system calls: the lines behind one that failed follow at once.
 * - Rules are written a namespace at a time, all or none of a table: the batch is divided (see `bisect`), with two processes for each attempt,
 *   one that writes and one that reads again, since of two tables the first may have been written.
 * - Names and the relay are told all or none, and divided likewise without a process.
 *
 * A batch of which nobody can tell what failed is given up as a whole, in an endpoint's namespace with everything there.
 */
export async function carryOut({ kernel, target, plan, alone, observe }: Carrying): Promise<CarriedOut> {
  const { observed, desired } = target;
  const applied: AppliedBatch[] = [];
  const blames: Blame[] = [];
  const aside = new Set<string>();
  const stepOf = new Map(plan.steps.map((step) => [keyOfStep(step), step]));
  const behindNames = waysOfNames(plan.steps);

  async function run(batch: Batch): Promise<AppliedBatch> {
    const [ran] = await kernel.apply([batch]);
    if (ran === undefined) throw new Error('a batch has no answer');
    applied.push(ran);
    return ran;
  }

  function setAside(keys: readonly string[]): void {
    // What could not be changed where it is, is still there, and so is what rests on it.
    const isStill = (step: Step | undefined): boolean => step?.action === 'replace' && changesInPlace(step.observed, step.object.body);
    const gone = keys.filter((key) => !isStill(stepOf.get(key)));
    for (const key of [...keys, ...(gone.length === 0 ? [] : dependentsOf(gone, desired.objects))]) aside.add(key);
    for (const key of heldBack(plan.steps, aside, observed)) aside.add(key);
  }

  function blame(key: string | undefined, ran: AppliedBatch, said = ran.stderr): void {
    blames.push({ ...(key === undefined ? {} : { key }), ran, said: said.trim() || `exit code ${ran.exitCode}` });
  }

  /** Nobody can tell what of it failed, or too much did. */
  function giveUp(ran: AppliedBatch, keys: readonly string[], said?: string): void {
    blame(keys.length === 1 ? keys[0] : undefined, ran, said);
    const { space } = ran.batch;
    const isAll = space.startsWith('endpoint:') && said === undefined;
    setAside(isAll ? plan.steps.filter((step) => spaceOf(step) === space).map(keyOfStep) : keys);
  }

  function giveUpRest(ran: AppliedBatch, untried: readonly string[]): void {
    if (untried.length > 0) giveUp(ran, untried, `${untried.length} more were not tried after ${MOST_BLAMED} had failed, the last with: ${ran.stderr.trim()}`);
  }

  async function lines(whole: Batch): Promise<void> {
    let blamed = 0;
    for (let batch = remaining(whole, aside); batch !== undefined; ) {
      const ran = await run(batch);
      if (ran.exitCode === 0) return;
      const { owners } = batch;
      // Flows that are not forgotten end by themselves, and no object rests on it.
      if (batch.tool === 'conntrack') return blame(undefined, ran);
      if (wholes.has(batch.tool) && batch.keys.length > 1) return divided(batch, ran);
      if (ran.stop === undefined || owners === undefined) return giveUp(ran, batch.keys);
      const failed = new Map<string, string>();
      for (const { line, said } of ran.stop.failed) {
        const [key] = (owners[line] ?? []).filter((owner) => !aside.has(owner));
        if (key !== undefined && !failed.has(key)) failed.set(key, said);
      }
      for (const [key, said] of failed) blame(key, ran, said);
      setAside([...failed.keys()]);
      blamed += failed.size;
      const rest = remaining(batch, aside, ran.stop.next);
      if (rest !== undefined && blamed >= MOST_BLAMED && !calls.has(batch.tool)) return giveUpRest(ran, rest.keys);
      batch = rest;
    }
  }

  async function divided(batch: Batch, failure: AppliedBatch): Promise<void> {
    const attempt = async (keys: readonly string[]): Promise<AppliedBatch | undefined> => {
      const others = new Set(batch.keys.filter((key) => !keys.includes(key)));
      const part = remaining(batch, others);
      const ran = part === undefined ? undefined : await run(part);
      return ran?.exitCode === 0 ? undefined : ran;
    };
    conclude(await bisect(batch.keys, failure, attempt, MOST_BLAMED), failure);
  }

  function conclude({ blamed, untried }: Awaited<ReturnType<typeof bisect<AppliedBatch>>>, failure: AppliedBatch): void {
    for (const { key, failure: ran } of blamed) blame(key, ran);
    setAside(blamed.map(({ key }) => key));
    giveUpRest(blamed.at(-1)?.failure ?? failure, untried);
  }

  async function rules(batch: Batch): Promise<void> {
    const { space } = batch;
    // It is that of the observation before the plan, until `observe` is called.
    const saved = kernel.rulesOf(space);
    const isHere = (object: { readonly space: string }): boolean => object.space === space;
    const found: ObservedState = { ...observed, objects: observed.objects.filter((object) => isHere(object) && isRule(object.kind)) };
    const wanted: NodeState = { ...desired, objects: desired.objects.filter((object) => isHere(object) && isRule(object.body.kind)) };
    const candidates = batch.keys.filter((key) => stepOf.get(key)?.action !== 'delete' && !aside.has(key));
    const done = new Set<string>();
    const later = [...behindNames].filter((key) => !batch.keys.includes(key));
    let now: ObservedState = found;

    /** Writes what is missing of a state in which the candidates that are neither done nor among these are as they were found. */
    const attempt = async (keys: readonly string[]): Promise<AppliedBatch | undefined> => {
      const left = new Set([...aside, ...later, ...candidates.filter((key) => !done.has(key) && !keys.includes(key))]);
      const { desired: then } = asFound(found, wanted, left);
      const untouched = new Set([...left, ...alone]);
      const known = { ...now, objects: now.objects.filter(({ key }) => !untouched.has(key) || then.objects.some((object) => object.key === key)) };
      const { steps } = diffNodeState(known, then);
      const [part] = renderPlan({ steps }, then, kernel.layout, keptRules(space, saved, untouched)).filter(({ tool }) => tool === batch.tool);
      const ran = part === undefined ? undefined : await run(part);
      if (ran !== undefined) now = onlyRules(await observe(new Map([[space, new Set(['rules'] as const)]])), space);
      if (ran !== undefined && ran.exitCode !== 0) return ran;
      for (const key of keys) done.add(key);
      return undefined;
    };

    const isWhole = wanted.objects.every(({ key }) => !aside.has(key)) && batch.keys.every((key) => !aside.has(key));
    const failure = isWhole ? failedOne(await run(batch)) : await attempt(candidates);
    if (failure === undefined) return;
    if (isLocked(failure) || candidates.length === 0) return giveUp(failure, batch.keys);
    if (isWhole) now = onlyRules(await observe(new Map([[space, new Set(['rules'] as const)]])), space);
    const result = await bisect(candidates, failure, attempt, MOST_BLAMED);
    conclude(result, failure);
    // Of two tables the first may have been written, with what is blamed; and what goes may have had no attempt that succeeded.
    const unclean = result.isUnclean ? await attempt([]) : undefined;
    if (unclean !== undefined) blame(undefined, unclean);
  }

  const rendered = renderPlan(plan, desired, kernel.layout, keptOf(kernel, target, new Set([...alone, ...behindNames])));
  for (const batch of rendered) await (batch.tool === 'iptables-restore' ? rules(batch) : lines(batch));
  return { applied, blames, aside };
}

function failedOne(ran: AppliedBatch): AppliedBatch | undefined {
  return ran.exitCode === 0 ? undefined : ran;
}

function spaceOf(step: Step): string {
  return step.action === 'delete' ? step.observed.space : step.object.space;
}

function onlyRules(observed: Observation, space: string): ObservedState {
  return { ...observed, objects: observed.objects.filter((object) => object.space === space && isRule(object.kind)) };
}

/** The rules of these keys as they were found, in the namespaces that have some. */
function keptOf(kernel: Carrying['kernel'], { observed, desired }: Target, keys: ReadonlySet<string>): KeptRules {
  if (keys.size === 0) return new Map();
  const spaces = new Set([...observed.objects, ...desired.objects].map(({ space }) => space));
  return new Map([...spaces].flatMap((space) => [...keptRules(space, kernel.rulesOf(space), keys)]));
}
