import yargs, { type Argv } from 'yargs';
import { addRefusals } from './commands/access.js';
import { addAgent, runAgent } from './commands/agent.js';
import { addApply } from './commands/apply.js';
import { addChangeset } from './commands/changeset.js';
import { addCluster } from './commands/cluster.js';
import type { AddCommand } from './commands/command.js';
import { addCompile } from './commands/compile.js';
import { addDrain } from './commands/drain.js';
import { addDrift } from './commands/drift.js';
import { addEndpoint } from './commands/endpoint.js';
import { addExplain } from './commands/explain.js';
import { addFlannel } from './commands/flannel.js';
import { addDelete, addDescribe, addGet } from './commands/get.js';
import { addDiff, addExport, addHistory } from './commands/history.js';
import { addJobs } from './commands/jobs.js';
import { addLab, runLab } from './commands/lab.js';
import { addNode } from './commands/node.js';
import { addPlan } from './commands/plan.js';
import { addFindings, addPools } from './commands/pools.js';
import { addStatus, addWait } from './commands/progress.js';
import { addReach } from './commands/reach.js';
import { addRollback } from './commands/rollback.js';
import { addService } from './commands/service.js';
import { addSwarm } from './commands/swarm.js';
import { addToken } from './commands/token.js';
import { completeNames } from './completion.js';
import { exitCodes, usageFailure } from './failure.js';
import { reportFailure } from './report-failure.js';
import { type GlobalArguments, outputFormats } from './session.js';
import { DEFAULT_URL } from './target.js';
import type { Terminal } from './terminal.js';

const commands: readonly AddCommand[] = [
  addPlan,
  addApply,
  addChangeset,
  addRollback,
  addHistory,
  addDiff,
  addExport,
  addCompile,
  addGet,
  addDescribe,
  addDelete,
  addStatus,
  addWait,
  addDrain,
  addPools,
  addFindings,
  addDrift,
  addExplain,
  addReach,
  addNode,
  addJobs,
  addEndpoint,
  addService,
  addFlannel,
  addSwarm,
  addCluster,
  addToken,
  addRefusals,
  addAgent,
  addLab,
];

/** What the completion scripts of yargs call the program with, before the words so far. */
const COMPLETE = '--get-yargs-completions';

const epilogue = `Exit codes: 0 done; 1 refused or failed; 2 wrong usage, or a plan that findings block; 3 cannot reach the control plane; 4 the wait timed out (the change is committed).
Completion: portolan completion >> ~/.bashrc (or ~/.zshrc).`;

/** Runs one command line and returns its exit code; everything that it prints goes to the terminal. */
export async function runPortolan(argv: readonly string[], terminal: Terminal): Promise<number> {
  const json = argv.includes('--json') || argv.includes('--output=json');
  try {
    if (argv[0] === COMPLETE) {
      const names = await completeNames(argv.slice(1), terminal);
      if (names !== undefined) {
        terminal.write(names.map((name) => `${name}\n`).join(''));
        return exitCodes.ok;
      }
    }
    if (argv[0] === 'lab') return await runLab(argv.slice(1));
    if (argv[0] === 'agent') return await runAgent(argv.slice(1));
    if (argv.length === 0) {
      await parse(['--help'], terminal);
      return exitCodes.usage;
    }
    await parse(argv, terminal);
    return exitCodes.ok;
  } catch (error) {
    return reportFailure(terminal, error, json);
  }
}

async function parse(argv: readonly string[], terminal: Terminal): Promise<void> {
  const cli = commands.reduce((tree, add) => add(tree, terminal), globalOptions(terminal));
  await cli.parseAsync([...argv], {}, (_error: unknown, _args: unknown, output: string) => {
    if (output !== '') terminal.write(`${output}\n`);
  });
}

function globalOptions(terminal: Terminal): Argv<GlobalArguments> {
  return yargs()
    .scriptName('portolan')
    .usage('$0 <command>\n\nCharts container networks: which address, on which host, through which rule.')
    .options({
      url: { type: 'string', requiresArg: true, global: true, describe: `Control plane [PORTOLAN_URL, else the running lab, else ${DEFAULT_URL}]` },
      cluster: { alias: 'c', type: 'string', requiresArg: true, global: true, describe: "Cluster [PORTOLAN_CLUSTER, else the lab's, else the only one]" },
      token: { type: 'string', requiresArg: true, global: true, describe: 'Token of the control plane [PORTOLAN_TOKEN]' },
      ca: {
        type: 'string',
        requiresArg: true,
        global: true,
        describe: 'Certificate of the authority of a control plane over HTTPS, a file in PEM [PORTOLAN_CA]',
      },
      output: { alias: 'o', choices: outputFormats, default: 'table' as const, global: true, describe: 'How to answer' },
      json: { type: 'boolean', default: false, global: true, describe: 'The same as --output json' },
    })
    .completion('completion', 'Print a completion script for bash or zsh')
    .demandCommand(1, 'No command is given.')
    .strict()
    .recommendCommands()
    .version(false)
    .exitProcess(false)
    .showHelpOnFail(false)
    .fail((message: string | null, error: unknown) => {
      // A message is the parser's: the command line is wrong. An error is what a command threw.
      throw error ?? usageFailure(message ?? 'the command line is wrong', 'See portolan --help, or --help after a command.');
    })
    .epilogue(epilogue)
    .wrap(Math.min(terminal.columns ?? 120, 120));
}
