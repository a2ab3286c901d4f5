import { parseArgs } from 'node:util';
import { type FaultKind, faultKinds } from './faults.js';
import { campaign, failureText } from './fleet.js';
import { shrunken } from './shrink.js';
import { simulate } from './simulate.js';

const usage = `usage: npm run simulate -- [--seeds N] [--first S]     many seeds, on every processor
       npm run simulate -- --seed S [--steps N] [--with KIND,…] [--without KIND,…] [--verbose] [--shrink]
kinds of fault: ${faultKinds.join(', ')}`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    steps: { type: 'string' },
    without: { type: 'string' },
    with: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  console.error(`${text} is no whole number\n${usage}`);
  process.exit(2);
}

function kindsIn(text: string | undefined): readonly FaultKind[] {
  return faultKinds.filter((kind) => text?.split(',').includes(kind));
}

async function one(seed: number): Promise<number> {
  const steps = values.steps === undefined ? undefined : wholeNumber(values.steps);
  const echo = values.verbose ? (line: string) => console.log(line) : undefined;
  const drawn = await simulate({ seed, steps });
  const without = kindsIn(values.without);
  const faults = new Set([...drawn.faults, ...kindsIn(values.with)].filter((kind) => !without.includes(kind)));
  const result = await simulate({ seed, steps, faults, echo });
  const again = await simulate({ seed, steps, faults });
  if (again.hash !== result.hash) console.log(`NOT DETERMINISTIC: ${result.hash}, then ${again.hash}`);
  const shown = values.shrink && result.failure !== undefined ? await shrunken(result) : result;
  console.log(failureText({ ...shown, busy: 0 }));
  console.log(`${shown.events} events, ${(shown.milliseconds / 1000).toFixed(1)} simulated seconds, trace ${shown.hash}`);
  return result.failure === undefined && again.hash === result.hash ? 0 : 1;
}

async function many(): Promise<number> {
  const { failures, ...figures } = await campaign({
    first: wholeNumber(values.first),
    seeds: wholeNumber(values.seeds),
    steps: values.steps === undefined ? undefined : wholeNumber(values.steps),
    onResult: (result) => {
      if (result.failure !== undefined) console.log(`${failureText(result)}\n`);
    },
  });
  console.log(JSON.stringify({ ...figures, failures: failures.map(({ seed, failure }) => ({ seed, invariant: failure?.invariant })) }, null, 2));
  return failures.length === 0 ? 0 : 1;
}

if (values.help) console.log(usage);
else process.exit(values.seed === undefined ? await many() : await one(wholeNumber(values.seed)));
