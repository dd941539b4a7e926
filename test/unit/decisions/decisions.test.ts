import { describe, expect, test } from 'vitest';
import { recorded, writtenColumns } from '../../../src/decisions/columns.js';
import { patchedColumns } from '../../../src/decisions/patch.js';
import type { DecisionRow } from '../../../src/decisions/row.js';
import { createDecisionSchema, MAX_LINKS, patchDecisionSchema } from '../../../src/decisions/schemas.js';
import { DECISION_COLUMNS } from '../../../src/search/filter/ast.js';
import { evaluateFilter } from '../../../src/search/filter/evaluate.js';
import { parseFilter } from '../../../src/search/filter/parse.js';
import { read } from '../repository/sources.js';

const now = new Date('2026-05-01T10:00:00.123Z');
const before = { status: 'partial', summary: 'half', recorded_at: '2026-04-01T00:00:00.000Z' } as const;
const row = {
  ...{ id: 'd1', agent_id: 'a1', session_id: 's1', decision_type: 'action', reasoning: 'because', revision: 3 },
  ...{ outcome: before, metadata: { a: 1, deep: { b: 2 } }, evidence: ['k1'], products: [] },
} as unknown as DecisionRow;

describe('an outcome', () => {
  test('is recorded at the time that it is told', () => {
    expect(recorded({ status: 'success' }, undefined, now)).toEqual({
      status: 'success',
      recorded_at: '2026-05-01T10:00:00.123Z',
    });
  });

  test.each([
    ['the same', { status: 'partial', summary: 'half' }, true],
    ['another status', { status: 'failure', summary: 'half' }, false],
    ['another summary', { status: 'partial', summary: 'most' }, false],
    ['no summary any more', { status: 'partial' }, false],
  ] as const)('%s keeps its time only when nothing of it is new', (_, given, kept) => {
    const time = recorded(given, before, now)?.recorded_at;
    expect(time).toBe(kept ? before.recorded_at : now.toISOString());
  });
});

describe('a patch', () => {
  const patched = (patch: object) => patchedColumns(row, patchDecisionSchema.parse(patch), now);

  test.each([
    [{}],
    [{ metadata: {} }],
    [{ metadata: { a: 1, deep: { b: 2 } } }],
    [{ metadata: { gone: null } }],
    [{ outcome: { status: 'partial', summary: 'half' } }],
    [{ add_evidence: ['k2'] }],
  ])('%j changes no column', (patch) => {
    expect(patched(patch)).toBeUndefined();
  });

  const said = { agent_id: 'a1', session_id: 's1', decision_type: 'action' };
  test.each([
    [{ metadata: { deep: { b: null, c: 3 } } }, { outcome: before, metadata: { a: 1, deep: { c: 3 } } }],
    [{ metadata: null }, { outcome: before, metadata: {} }],
    [{ outcome: null }, { outcome: undefined, metadata: row.metadata }],
    [
      { outcome: { status: 'success' } },
      { outcome: { status: 'success', recorded_at: now.toISOString() }, metadata: row.metadata },
    ],
  ])('%j makes of the columns what it says', (patch, expected) => {
    expect(patched(patch)).toEqual({ ...said, ...expected });
  });

  test('refuses metadata that would be too large', () => {
    expect(() => patched({ metadata: { long: 'x'.repeat(17_000) } })).toThrow(
      expect.objectContaining({ code: 'knowledge:metadata_too_large' }),
    );
  });
});

describe('what is written', () => {
  test('has times as times, and a digest that only the salt repeats', () => {
    const [one, two] = [writtenColumns(row, 'because'), writtenColumns(row, 'because')];
    expect(one.columns.outcome).toEqual({ ...before, recorded_at: new Date(before.recorded_at) });
    expect(one.columns.state_digest).toMatch(/^[0-9a-f]{64}$/);
    expect(one.columns.state_digest).not.toBe(two.columns.state_digest);
    expect(one.audit_values.salt).not.toBe(two.audit_values.salt);
    expect(JSON.stringify(one.audit_values)).not.toContain('because');
  });
});

test('a decision of the largest kind is accepted, and one byte more is not', () => {
  const input = { decision_type: 'analysis', reasoning: 'é'.repeat(50_000) };
  expect(createDecisionSchema.safeParse(input).success).toBe(true);
  expect(createDecisionSchema.safeParse({ ...input, reasoning: `${input.reasoning}.` }).success).toBe(false);
});

test('the bound on links is the same in the schema of the database', () => {
  expect(read('surql/schema/decisions.surql').match(/> \d\d+/g)).toEqual([`> ${MAX_LINKS}`, `> ${MAX_LINKS}`]);
});

test.each([
  [{ 'outcome.status': 'partial' }, true],
  [{ 'outcome.summary': { $contains: 'al' } }, true],
  [{ 'outcome.recorded_at': { $gte: '2026-04-01T00:00:00Z' } }, true],
  [{ 'outcome.recorded_at': { $gt: '2026-04-01T00:00:00Z' } }, false],
  [{ decision_type: { $in: ['analysis', 'escalation'] } }, false],
  [{ session_id: 's1', 'metadata.deep.b': { $lt: 3 } }, true],
])('the filter %j over a decision is %s', (filter, keeps) => {
  expect(evaluateFilter(parseFilter(filter, DECISION_COLUMNS), row as unknown as Record<string, unknown>)).toBe(keeps);
});
