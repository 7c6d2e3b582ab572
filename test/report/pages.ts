/** Runs in a folder that goes away after the test file, and the pages that are made of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ReportOptions, writeReport } from '../../src/report/report.ts';
import { changedRun, scratchFolder } from './fixture.ts';

/** What stands in the folder is named; the folder itself is `at('')`. */
export function runsAndPages() {
  const scratch = scratchFolder();
  const at = (name: string): string => join(scratch, name);
  let made = 0;
  /** The page of a run or of several. */
  const page = async (runs: string | readonly string[], options: ReportOptions = {}): Promise<string> => {
    const out = at(`page-${++made}.html`);
    await writeReport([runs].flat().map(at), out, options);
    return readFileSync(out, 'utf8');
  };
  /** The name of a copy of a run, in which these files are others. */
  const changed = (run: string, files: Parameters<typeof changedRun>[2]): string => {
    const name = `changed-${++made}`;
    changedRun(at(run), at(name), files);
    return name;
  };
  return { at, page, changed };
}
