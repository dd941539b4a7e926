import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAcervoError } from '../../../src/errors/error.js';
import type { SessionRow, SessionStatus } from '../../../src/sessions/row.js';
import {
  abandoned,
  isFinished,
  MAX_STATE_BYTES,
  MAX_STATE_DEPTH,
  NEXT,
  patched,
  type SessionPatch,
  withEdges,
  withVectors,
} from '../../../src/sessions/states.js';

const STATUSES = Object.keys(NEXT) as SessionStatus[];
const LEGAL = [
  ['active', 'paused'],
  ['active', 'completed'],
  ['active', 'failed'],
  ['active', 'abandoned'],
  ['paused', 'active'],
  ['paused', 'failed'],
  ['paused', 'abandoned'],
].map(String);

const rowOf = (status: SessionStatus, more: Partial<SessionRow> = {}): SessionRow => ({
  id: 's',
  user: 'ana',
  agent_id: 'a1',
  status,
  state: { step: 1, deep: { kept: true } },
  metadata: { team: 'blue' },
  vector_names: ['goal'],
  embedding_space: 'test_4',
  created_at: '2026-03-01T00:00:00Z',
  updated_at: '2026-03-01T00:00:00Z',
  last_active_at: '2026-03-01T00:00:00Z',
  revision: 3,
  vectors_revision: 2,
  ...more,
});

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return isAcervoError(error) ? error.code : String(error);
  }
}

function detailOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return isAcervoError(error) ? String(error.detail) : '';
  }
  return '';
}

const anyPatch: fc.Arbitrary<SessionPatch> = fc.record(
  {
    status: fc.constantFrom(...STATUSES),
    state: fc.option(fc.record({ step: fc.nat(3) })),
    metadata: fc.record({ note: fc.nat(3) }),
  },
  { requiredKeys: [] },
);

describe('the life of a session', () => {
  it('allows these moves, staying as it is, and nothing else', () => {
    for (const from of STATUSES)
      for (const to of STATUSES) {
        const move = () => patched(rowOf(from), { status: to });
        if (from === to) expect(move()).toBeUndefined();
        else if (LEGAL.includes(String([from, to]))) expect(move()?.row.status).toBe(to);
        else expect(codeOf(move), `${from} to ${to}`).toBe('session:illegal_transition');
      }
  });

  it('tells the legal moves', () => {
    expect(detailOf(() => patched(rowOf('paused'), { status: 'completed' }))).toBe(
      'A session that is paused can become active, failed, abandoned, not completed.',
    );
    expect(detailOf(() => patched(rowOf('failed'), { status: 'active' }))).toBe(
      'A session that is failed stays so, not active.',
    );
  });

  it('whatever is asked of it in whatever order: what is finished stays so, with its state', () => {
    fc.assert(
      fc.property(fc.array(anyPatch, { maxLength: 12 }), (patches) => {
        let row = rowOf('active');
        const seen: SessionStatus[] = [row.status];
        for (const patch of patches) {
          const before = structuredClone(row);
          try {
            row = { ...row, ...patched(row, patch)?.row };
          } catch (error) {
            expect(isAcervoError(error), String(error)).toBe(true);
          }
          if (isFinished(before.status)) expect(row).toMatchObject({ status: before.status, state: before.state });
          if (row.status === before.status) continue;
          seen.push(row.status);
          expect(LEGAL).toContain(String([before.status, row.status]));
        }
        expect(seen.filter(isFinished).length, seen.join()).toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });

  it('abandons what is open, and nothing else', () => {
    expect(STATUSES.filter((status) => abandoned(rowOf(status)) !== undefined)).toEqual(['active', 'paused']);
    expect(abandoned(rowOf('paused'))?.row).toMatchObject({ status: 'abandoned', state: { step: 1 } });
  });
});

describe('a patch', () => {
  it('merges as RFC 7396 says, and leaves what it was given alone', () => {
    const row = rowOf('active');
    const next = patched(row, { state: { step: null, deep: { more: [1, null] }, 'a.b': 2 }, metadata: { team: null } });
    expect(next?.row.state).toEqual({ deep: { kept: true, more: [1, null] }, 'a.b': 2 });
    expect(next?.row.metadata).toEqual({});
    expect(row.state).toEqual({ step: 1, deep: { kept: true } });
    expect(patched(row, { state: null })?.row).toMatchObject({ state: {}, metadata: { team: 'blue' } });
  });

  it('that changes nothing writes nothing', () => {
    const row = rowOf('active');
    for (const patch of [
      {},
      { state: {} },
      { state: { step: 1 } },
      { metadata: { team: 'blue' } },
      { status: 'active' },
    ])
      expect(patched(row, patch as SessionPatch)).toBeUndefined();
    expect(patched(rowOf('completed'), { state: { step: 1 }, status: 'completed' })).toBeUndefined();
  });

  it('brings the last state and completes the session in one', () => {
    const next = patched(rowOf('active'), { state: { step: 9 }, status: 'completed' });
    expect(next?.row).toMatchObject({ status: 'completed', state: { step: 9, deep: { kept: true } } });
  });

  it('does not touch the state of what is finished, but its metadata', () => {
    expect(codeOf(() => patched(rowOf('completed'), { state: { step: 2 } }))).toBe('session:finished');
    expect(codeOf(() => patched(rowOf('abandoned'), { state: null }))).toBe('session:finished');
    expect(patched(rowOf('failed'), { metadata: { why: 'x' } })?.row.metadata).toEqual({ team: 'blue', why: 'x' });
  });

  it('keeps the state within its bounds, to the byte and the level', () => {
    const filled = (bytes: number) => ({ t: 'x'.repeat(bytes - '{"t":""}'.length) });
    const empty = rowOf('active', { state: {} });
    expect(patched(empty, { state: filled(MAX_STATE_BYTES) })?.row.state).toEqual(filled(MAX_STATE_BYTES));
    expect(codeOf(() => patched(empty, { state: filled(MAX_STATE_BYTES + 1) }))).toBe('session:state_too_large');
    const nested = (levels: number): Record<string, unknown> => (levels === 1 ? {} : { a: nested(levels - 1) });
    expect(patched(empty, { state: nested(MAX_STATE_DEPTH) })?.row.state).toEqual(nested(MAX_STATE_DEPTH));
    expect(codeOf(() => patched(empty, { state: nested(MAX_STATE_DEPTH + 1) }))).toBe('session:state_too_large');
    // Two patches that fit, whose sum does not.
    const half = rowOf('active', { state: { a: 'x'.repeat(200_000) } });
    expect(codeOf(() => patched(half, { state: { b: 'x'.repeat(100_000) } }))).toBe('session:state_too_large');
    expect(codeOf(() => patched(empty, { state: { n: 2 ** 60 } }))).toBe('request:invalid');
  });
});

it('vectors and artifacts change a session that is finished as well', () => {
  const row = rowOf('completed');
  const vectors = [{ name: 'outcome', embedding: [1, 0, 0, 0] }];
  expect(withVectors(row, vectors, 'other')).toEqual({
    row: expect.objectContaining({ vector_names: ['outcome'], embedding_space: 'other', status: 'completed' }),
    vectors,
  });
  expect(withVectors(row, [], 'other').row).toMatchObject({ vector_names: [], embedding_space: undefined });
  const next = withEdges(row, { attach: ['x'] });
  expect(next).toEqual({ row: expect.objectContaining({ state: row.state, vector_names: ['goal'] }), attach: ['x'] });
  // Times and revision are the query's.
  expect(Object.keys(next.row)).not.toContain('revision');
});
