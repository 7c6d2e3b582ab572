import { defineConfig } from 'vitest/config';

/** Everything that must be quick; long checks live in `vitest.slow.config.ts`. */
export default defineConfig({
  test: {
    setupFiles: ['test/processor.ts'],
    include: ['test/**/*.test.ts'],
    exclude: ['test/slow/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 120_000,
  },
});
