import { setTimeout as sleep } from 'node:timers/promises';
import { type Lab, startLab } from '@portolan/lab';
import { labClient } from '../lab-client.js';
import { type Comparison, comparison, median, milliseconds, percentiles } from './bench.js';
import { watchedTables } from './ipvs-tables.js';

const CHANGES = 100;
const ROUNDS = 10;
/** What Docker 20.10's swarm takes on the same three hosts in the same guest, read from the tables, in milliseconds. */
const swarm = { removal: 5_650, start: 3_500 } as const;
const ENDPOINT = 'bjdt_bjdt-dzwl.1';

interface Job {
  readonly id: string;
  readonly report: { readonly commands: readonly { readonly milliseconds: number; readonly exitCode: number; readonly command: string }[] } | null;
}

/** A lab with three real agents: from a commit to the answer that all have applied it, and from what happens to a container to the tables. */
export async function labConverges(directory: string, report: (progress: string) => void): Promise<readonly Comparison[]> {
  const lab = await startLab({ directory, log: (line) => report(line) });
  try {
    const client = labClient(() => lab);
    const weights = await weightsConverge(lab, client.call, report);
    const containers = await containersConverge(lab, client.call, report);
    return [weights, ...containers];
  } finally {
    await lab.stop();
  }
}

type Call = ReturnType<typeof labClient>['call'];

async function weightsConverge(lab: Lab, call: Call, report: (progress: string) => void): Promise<Comparison> {
  const patch = (weight: number): Promise<unknown> => call(`/endpoints/${ENDPOINT}?wait=applied`, 'PATCH', { weight });
  const { addresses } = await call<{ addresses: { network: string; address: string }[] }>(`/endpoints/${ENDPOINT}`);
  const spaces = [
    { netns: 'lb_5mckih8b5', mark: 0x149, address: addresses.find(({ network }) => network === 'bjdt_overlay')?.address },
    { netns: 'ingress_sbox', mark: await ingressMark(call), address: addresses.find(({ network }) => network === 'ingress')?.address },
  ];
  const byHand = async (weight: number): Promise<void> => {
    for (const node of lab.hosts.keys()) {
      for (const { netns, mark, address } of spaces) {
        const edit = ['ipvsadm', '-e', '-f', `${mark}`, '-r', `${address}:0`, '-m', '-w', `${weight}`];
        const ran = await lab.machineOf(node).run(['nsenter', `--net=/run/portolan-lab/${node}/netns/${netns}`, '--', ...edit]);
        if (ran.exitCode !== 0) throw new Error(`${ran.command}: ${ran.stderr}`);
      }
    }
  };

  const ours: number[] = [];
  const baseline: number[] = [];
  for (let change = 0; change < CHANGES; change++) {
    ours.push(await milliseconds(() => patch(change + 2)));
    if (change % 10 !== 0) continue;
    report(`change ${change + 1}: ${Math.round(ours.at(-1) ?? 0)} ms`);
    baseline.push(await milliseconds(() => byHand(change + 200)));
    // What was changed behind its back is put right before the next change is measured.
    await patch(1);
    await sleep(1_500);
  }
  const { items } = await call<{ items: readonly Job[] }>('/jobs?status=applied&limit=30');
  const jobs = await Promise.all(items.map(({ id }) => call<Job>(`/jobs/${id}`)));
  const processes = jobs.map(
    ({ report: told }) => (told?.commands ?? []).filter(({ command }) => !/^(namespaces|names|relay|files|sysctl|.*ipvsadm -R)/.test(command)).length,
  );
  return comparison({
    case: `one weight on ${lab.hosts.size} hosts, ${lab.kind}`,
    unit: 'ms',
    ours: median(ours),
    baseline: median(baseline),
    against: `${spaces.length * lab.hosts.size} times ipvsadm -e, one after the other`,
    detail: {
      ...percentiles(ours),
      changes: ours.length,
      processesOfAnApply: median(processes),
      commandsOfAnApplyMs: Math.round(median(jobs.map(({ report: told }) => (told?.commands ?? []).reduce((sum, { milliseconds: took }) => sum + took, 0)))),
      wholeManifestMs: Math.round(lab.appliedWithin),
    },
  });
}

async function ingressMark(call: Call): Promise<number> {
  const { networks } = await call<{ networks: { network: string; mark: number }[] }>('/services/bjdt_bjdt-dzwl');
  const mark = networks.find(({ network }) => network === 'ingress')?.mark;
  if (mark === undefined) throw new Error('the service has no mark on the ingress network');
  return mark;
}

/** From the moment that a container is ended, or its endpoint deleted, or it listens again, until the table of every node says so. */
async function containersConverge(lab: Lab, call: Call, report: (progress: string) => void): Promise<readonly Comparison[]> {
  const { node } = await call<{ node: string }>(`/endpoints/${ENDPOINT}`);
  const tables = await watchedTables(lab, 'lb_5mckih8b5');
  const overlayAddress = async (): Promise<string> =>
    (await call<{ addresses: { network: string; address: string }[] }>(`/endpoints/${ENDPOINT}`)).addresses.find(({ network }) => network === 'bjdt_overlay')
      ?.address ?? '';
  const [crashes, deletions, starts]: [number[], number[], number[]] = [[], [], []];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const address = await overlayAddress();
      crashes.push(await tables.until(address, 'gone', () => lab.removeContainer(ENDPOINT)));
      const netns = await lab.addContainer(ENDPOINT, node, '8080/tcp');
      await tables.until(address, 'there', async () => undefined);
      const { attachment: _attachment, ...rest } = await call<Record<string, unknown>>(`/endpoints/${ENDPOINT}`);
      deletions.push(await tables.until(address, 'gone', () => call(`/endpoints/${ENDPOINT}?force=true`, 'DELETE')));
      await call('/wait?timeout=30');
      const created = { name: ENDPOINT, service: rest.service, node, attachment: { netns }, addresses: rest.addresses };
      starts.push(await tables.until(address, 'there', () => call('/endpoints', 'POST', created)));
      await call('/wait?timeout=30');
      report(
        `round ${round + 1}: crash ${Math.round(crashes.at(-1) ?? 0)}, deletion ${Math.round(deletions.at(-1) ?? 0)}, start ${Math.round(starts.at(-1) ?? 0)} ms`,
      );
    }
  } finally {
    await tables.stop();
  }
  const against = "Docker 20.10's swarm on three hosts in the same guest, by the same reading of the tables (measured once)";
  const of = (what: string, ours: readonly number[], baseline: number): Comparison =>
    comparison({ case: what, unit: 'ms', ours: median(ours), baseline, against, detail: { ...percentiles(ours), rounds: ours.length } });
  return [
    of('an endpoint is deleted: until the IPVS table of every node has lost it', deletions, swarm.removal),
    of('a container is ended without a word: until the IPVS table of every node has lost it', crashes, swarm.removal),
    of('an endpoint is created: until the IPVS table of every node has it', starts, swarm.start),
  ];
}
