import { defineConfig } from 'vitest/config';

/**
 * Three rings. `unit` is pure; `engine` (the spine, through src) and `acceptance` (HTTP to a started server) run on
 * the embedded engine here, and unchanged on real servers as `*-stack`.
 */
const common = { pool: 'forks' as const, testTimeout: 60_000, hookTimeout: 60_000 };
const stack = { env: { ACERVO_TEST_STACK: '1' }, globalSetup: ['test/support/stack-servers.ts'] };

/** The database answers searches, not the warm index. */
const cold = { ACERVO_TEST_WARM_INDEX: 'off' };

const engine = ['test/engine/**/*.test.ts', 'test/objects/**/*.test.ts'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { ...common, name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      { test: { ...common, name: 'engine', include: engine } },
      { test: { ...common, name: 'acceptance', include: ['test/acceptance/**/*.test.ts'] } },
      { test: { ...common, name: 'acceptance-cold', env: cold, include: ['test/acceptance/**/*.test.ts'] } },
      { test: { ...common, ...stack, name: 'engine-stack', include: engine } },
      { test: { ...common, ...stack, name: 'acceptance-stack', include: ['test/acceptance/**/*.test.ts'] } },
    ],
  },
});
