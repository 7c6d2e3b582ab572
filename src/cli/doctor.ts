/** `uscl doctor`. */
import { Command } from 'commander';
import type { SearchedLibrary, SearchedTorch } from '../engine/open.ts';
import { type Diagnosis, examine } from './findings.ts';
import { withAction } from './command.ts';

const MARKS = { good: 'ok  ', poor: 'poor', missing: 'MISS' } as const;

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .summary('what this machine has, what will be used, how to mend what is missing')
    .description(
      'Looks for everything the program needs and says what it found and how to mend what is missing.',
    )
    .option('--out <folder>', 'folder that runs would be written to', '.')
    .addHelpText('after', '\nExamples:\n  uscl doctor\n  uscl doctor --json --out /data/runs');
  return withAction(command, async (output, _signal, options: { readonly out: string }) => {
    const diagnosis = await examine(options.out);
    output.tell(diagnosis, describe(diagnosis));
  });
}

const INDENT = ' '.repeat(22);

function describe({ version, findings, libraries, torch }: Diagnosis): string {
  const lines = findings.flatMap(({ part, state, found, mend }) => [
    `${MARKS[state]}  ${part.padEnd(16)}${found}`,
    ...(part === 'oneDNN' ? libraries.map(placeOf) : []),
    ...(part === 'PyTorch' ? torch.map(torchPlaceOf) : []),
    ...(mend === null ? [] : [`${INDENT}→ ${mend}`]),
  ]);
  return [`uscl ${version}`, ...lines].join('\n');
}

/** A place of the search, in its order. */
function placeOf({ file, from, state, version, reason }: SearchedLibrary, index: number): string {
  const said = {
    taken: 'taken',
    absent: reason,
    foreign: reason,
    unsupported: 'not supported',
    'not tried': state,
  };
  const what = version === null ? '' : `oneDNN ${version}, `;
  return `${INDENT}${index + 1}. ${file} (${from}): ${what}${said[state] ?? state}`;
}

function torchPlaceOf({ place, from, state, version }: SearchedTorch, index: number): string {
  const said = {
    taken: 'taken',
    absent: 'none there',
    unsupported: 'not supported',
    'not tried': 'not tried',
  };
  const what = version === null ? '' : `PyTorch ${version}, `;
  return `${INDENT}${index + 1}. ${place} (${from}): ${what}${said[state]}`;
}
