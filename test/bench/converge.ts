import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startLab } from '@portolan/lab';
import { type Bench, comparison, median, milliseconds } from './bench.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CHANGES = 15;

/**
 * From the commit of a changed weight to the answer that every node of the lab has applied it, beside the bare commands that make
 * the same change on every host, one host after the other, with nobody who plans, reads back or reports.
 */
export const converge: Bench = async (report) => {
  mkdirSync(join(root, '.portolan'), { recursive: true });
  const directory = mkdtempSync(join(root, '.portolan/bench-converge-'));
  const lab = await startLab({ directory, log: (line) => report(line) });
  try {
    const url = `${lab.apiUrl}/v1/clusters/${lab.cluster}`;
    const endpoint = 'bjdt_bjdt-dzwl.1';
    const patch = async (weight: number): Promise<void> => {
      const answer = await fetch(`${url}/endpoints/${endpoint}?wait=applied`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ weight }),
      });
      if (!answer.ok) throw new Error(await answer.text());
    };
    const addresses = ((await (await fetch(`${url}/endpoints/${endpoint}`)).json()) as { addresses: { network: string; address: string }[] }).addresses;
    const spaces = [
      { netns: 'lb_5mckih8b5', mark: 0x149, address: addresses.find(({ network }) => network === 'bjdt_overlay')?.address },
      { netns: 'ingress_sbox', mark: await ingressMark(url), address: addresses.find(({ network }) => network === 'ingress')?.address },
    ];
    const byHand = async (weight: number): Promise<void> => {
      for (const node of lab.hosts.keys()) {
        for (const { netns, mark, address } of spaces) {
          const argv = [
            'nsenter',
            `--net=/run/portolan-lab/${node}/netns/${netns}`,
            '--',
            'ipvsadm',
            '-e',
            '-f',
            `${mark}`,
            '-r',
            `${address}:0`,
            '-m',
            '-w',
            `${weight}`,
          ] as const;
          const ran = await lab.machineOf(node).run(argv);
          if (ran.exitCode !== 0) throw new Error(`${ran.command}: ${ran.stderr}`);
        }
      }
    };

    const ours: number[] = [];
    const baseline: number[] = [];
    for (let change = 0; change < CHANGES; change++) {
      ours.push(await milliseconds(() => patch(change + 2)));
      report(`change ${change + 1}: ${Math.round(ours.at(-1) ?? 0)} ms`);
      baseline.push(await milliseconds(() => byHand(change + 100)));
      // What was changed behind its back is put right before the next change is measured.
      await patch(1);
    }
    return [
      comparison({
        case: `one weight on ${lab.hosts.size} hosts, ${lab.kind}`,
        unit: 'ms',
        ours: median(ours),
        baseline: median(baseline),
        against: `${spaces.length * lab.hosts.size} times ipvsadm -e, one after the other`,
        detail: { slowestMs: Math.round(Math.max(...ours)), fastestMs: Math.round(Math.min(...ours)), wholeManifestMs: Math.round(lab.appliedWithin) },
      }),
    ];
  } finally {
    await lab.stop();
    rmSync(directory, { recursive: true, force: true });
  }
};

async function ingressMark(url: string): Promise<number> {
  const service = (await (await fetch(`${url}/services/bjdt_bjdt-dzwl`)).json()) as { networks: { network: string; mark: number }[] };
  const mark = service.networks.find(({ network }) => network === 'ingress')?.mark;
  if (mark === undefined) throw new Error('the service has no mark on the ingress network');
  return mark;
}
