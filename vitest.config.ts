import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest. They begin first, so that none of them is alone at the end. */
const LONGEST = [
  'house/commands',
  'ingest/resume',
  'demo/demo',
  'study/study',
  'cli/cli',
  'weights/page/use',
  'cli/finetune',
  'cli/kill',
  'study/processes',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
      return at === -1 ? LONGEST.length : at;
    };
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}

/** Everything that must be quick; long checks live in `vitest.slow.config.ts`. */
export default defineConfig({
  test: {
    setupFiles: ['test/processor.ts'],
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**'],
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
});
