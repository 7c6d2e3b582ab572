#!/usr/bin/env node
/** The command line: `uscl COMMAND`. Parsing only; every command is a thin file beside this one. */
import { Command } from 'commander';
import { UsclError } from '../base/errors.ts';
import { packageVersion } from '../training/environment.ts';
import { usageExitCode } from './command.ts';

/** In the order of the help. Loaded when asked for: a program that is started for each file should start quickly. */
const COMMANDS: Readonly<Record<string, () => Promise<() => Command>>> = {
  demo: async () => (await import('./demo.ts')).demoCommand,
  ingest: async () => (await import('./ingest.ts')).ingestCommand,
  recipes: async () => (await import('./recipes.ts')).recipesCommand,
  inspect: async () => (await import('./inspect.ts')).inspectCommand,
  merge: async () => (await import('./merge.ts')).mergeCommand,
  audit: async () => (await import('./audit.ts')).auditCommand,
  split: async () => (await import('./split.ts')).splitCommand,
  phantom: async () => (await import('./phantom.ts')).phantomCommand,
  pretrain: async () => (await import('./pretrain.ts')).pretrainCommand,
  probe: async () => (await import('./probe.ts')).probeCommand,
  finetune: async () => (await import('./finetune.ts')).finetuneCommand,
  evaluate: async () => (await import('./evaluate.ts')).evaluateCommand,
  predict: async () => (await import('./predict.ts')).predictCommand,
  'compare-runs': async () => (await import('./compare-runs.ts')).compareRunsCommand,
  explain: async () => (await import('./explain.ts')).explainCommand,
  report: async () => (await import('./report.ts')).reportCommand,
  bench: async () => (await import('./bench.ts')).benchCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
};

const program = new Command('uscl')
  .description('Pretraining on ultrasound video (USCL). Research use only; not a medical device.')
  .version(packageVersion())
  .addHelpText(
    'after',
    `
A first tour:
  uscl demo                                        everything once, on simulated clips
  uscl ingest videos/ --out lung --labels lung.csv your own clips
  uscl pretrain lung --out runs/lung
  uscl audit lung other                            clips that both hold
  uscl probe runs/lung other                       what the backbone has learnt

Exit codes: 0 done, 2 usage, 3 data, 4 numeric, 5 resources, 130/143 stopped by a signal.`,
  )
  .showHelpAfterError('(add --help for what can be said here)')
  .showSuggestionAfterError();

const [named = ''] = process.argv.slice(2);
const wanted = Object.hasOwn(COMMANDS, named) ? [COMMANDS[named]!] : Object.values(COMMANDS);
for (const load of wanted) program.addCommand(inherit((await load())()));

/** Settings that commander copies to its own subcommands only. */
function inherit(command: Command): Command {
  return command.copyInheritedSettings(program).exitOverride();
}

try {
  await program.exitOverride().parseAsync();
} catch (thrown) {
  if (thrown instanceof UsclError) {
    process.stderr.write(`error: ${thrown.describe()}\n`);
    process.exitCode = thrown.exitCode;
  } else process.exitCode = usageExitCode(thrown);
}
