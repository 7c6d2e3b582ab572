#!/usr/bin/env node
/** The command line: `uscl COMMAND`. Parsing only; every command is a thin file beside this one. */
import { RESEARCH_USE } from '../base/research-use.ts';
import { Command } from 'commander';
import { UsclError } from '../base/errors.ts';
import { takeAlong } from '../engine/ranks/open.ts';
import { packageVersion } from '../runs/environment.ts';
import { usageExitCode } from './command.ts';
import { COMMANDS } from './commands.ts';

const program = new Command('uscl')
  .description(`Pretraining on ultrasound video (USCL). ${RESEARCH_USE}`)
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

let isWell = false;
try {
  await program.exitOverride().parseAsync();
  isWell = (process.exitCode ?? 0) === 0;
} catch (thrown) {
  if (thrown instanceof UsclError) {
    process.stderr.write(`error: ${thrown.describe()}\n`);
    process.exitCode = thrown.exitCode;
  } else process.exitCode = usageExitCode(thrown);
  isWell = process.exitCode === 0;
} finally {
  if (!isWell) takeAlong();
}
