import { expect, test } from 'vitest';
import { addStep, emptyReport, type Step } from '../../../src/reconcile/report.js';
import { type Finding, MAX_FINDINGS } from '../../../src/reconcile/schemas.js';

const finding = (more: Partial<Finding> = {}): Finding => ({
  ...{ kind: 'ghost', bucket: 'b', key: 'k', detail: '', settled: false },
  ...more,
});
const step = (findings: Finding[]): Step => ({
  position: { pass: 'walk', bucket: 'b', key: 'k' },
  ...{ findings, objects_seen: 3, pointers_seen: 2, objects_digested: 1 },
});
const report = () => emptyReport({ apply: true, checksums: false }, new Date('2026-01-01T00:00:00Z'));

test('counts by kind, and what is left to do', () => {
  const counted = report();
  const findings = [finding(), finding({ settled: true }), finding({ kind: 'orphan' }), finding({ kind: 'corrupt' })];
  addStep(counted, step(findings), { adopts: false });
  addStep(counted, step([finding({ kind: 'orphan' })]), { adopts: false });
  expect(counted).toMatchObject({
    counts: { ghost: { found: 2, settled: 1 }, orphan: { found: 2, settled: 0 }, corrupt: { found: 1, settled: 0 } },
    ...{ reported: 2, left: 2, objects_seen: 6, pointers_seen: 4, objects_digested: 2, truncated: false },
  });
  expect(counted.findings).toHaveLength(5);
});

test('an orphan is left to do where orphans are adopted, one that nobody can adopt is not', () => {
  const counted = report();
  const findings = [
    finding({ kind: 'orphan' }),
    finding({ kind: 'orphan', settled: true }),
    finding({ kind: 'foreign' }),
  ];
  addStep(counted, step(findings), { adopts: true });
  expect(counted).toMatchObject({ reported: 1, left: 1 });
});

test('shows a bounded number of findings and counts all', () => {
  const counted = report();
  for (let at = 0; at < MAX_FINDINGS / 100; at += 1)
    addStep(counted, step(Array.from({ length: 100 }, () => finding())), { adopts: false });
  expect(counted).toMatchObject({ truncated: false, left: MAX_FINDINGS });
  addStep(counted, step([finding({ key: 'one more' })]), { adopts: false });
  expect(counted).toMatchObject({ truncated: true, left: MAX_FINDINGS + 1 });
  expect(counted.findings).toHaveLength(MAX_FINDINGS);
});
