/** What became of the mutants: the file that is kept, and the table by room. */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { writeFileAtomic } from '../../src/base/files.ts';

const mutantSchema = z.object({
  key: z.string(),
  room: z.string(),
  file: z.string(),
  line: z.int(),
  kind: z.string(),
  before: z.string(),
  after: z.string(),
  /** `unreached`: no test of the neighbourhood comes by. It counts as survived. */
  outcome: z.enum(['killed', 'timeout', 'survived', 'unreached']),
  /** File and name of the test that failed first. */
  by: z.string().nullable(),
  seconds: z.number(),
  /** No test noticed it at first; one was added. */
  mended: z.boolean().optional(),
  /** Of the sources it was made from. */
  commit: z.string(),
});
export type MutantResult = z.infer<typeof mutantSchema>;

const resultsSchema = z.object({
  command: z.string(),
  seed: z.int(),
  /** Mutants drawn; fewer have an outcome while a campaign is under way. */
  drawn: z.int(),
  run: z.int(),
  commit: z.string(),
  mutants: z.array(mutantSchema),
});
export type Results = z.infer<typeof resultsSchema>;

export function readResults(path: string): Results | null {
  return existsSync(path) ? resultsSchema.parse(JSON.parse(readFileSync(path, 'utf8'))) : null;
}

export function writeResults(path: string, results: Results): void {
  writeFileAtomic(path, [`${JSON.stringify(results, null, 1)}\n`]);
}

/** Scores by room as a Markdown table. */
export function tableOf({ mutants }: Pick<Results, 'mutants'>): string {
  const rooms = [...new Set(mutants.map(({ room }) => room))];
  const row = (name: string, mine: readonly MutantResult[]): string => {
    const count = (outcome: MutantResult['outcome']): number =>
      mine.filter((one) => one.outcome === outcome).length;
    const killed = count('killed') + count('timeout');
    const mended = mine.filter((one) => one.mended === true).length;
    const share = (of: number): string => `${((100 * of) / mine.length).toFixed(1)} %`;
    const cells = [mine.length, killed, count('timeout'), count('survived'), count('unreached')];
    return `| ${name} | ${cells.join(' | ')} | ${share(killed - mended)} | ${share(killed)} |`;
  };
  return [
    '| room | mutants | killed | of it by time | survived | reached by no test | at first | with tests added |',
    '| --- | --: | --: | --: | --: | --: | --: | --: |',
    ...rooms.map((room) =>
      row(
        room,
        mutants.filter((mutant) => mutant.room === room),
      ),
    ),
    row('all', mutants),
  ].join('\n');
}
