import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ArtifactRow, ArtifactStatus, PendingUpload, Version } from '../../../src/artifacts/row.js';
import * as states from '../../../src/artifacts/states.js';
import { isAcervoError } from '../../../src/errors/error.js';

const now = new Date('2026-03-01T12:00:00Z');
const later = new Date('2026-03-01T13:00:00Z');
const UPLOAD: PendingUpload = {
  method: 'PUT',
  size_bytes: 3,
  content_type: 'a/b',
  urls_expire_at: later.toISOString(),
};
const FREE = { legal_hold: false, retention: undefined };
const RESERVED: ArtifactRow = {
  ...{ id: 'a', bucket: 'agents-artifacts', key: 'a', name: 'a', metadata: {}, status: 'reserved' },
  ...{ content_type: 'a/b', size_bytes: 3, checksum: 'unverified', version_count: 0, legal_hold: false },
  ...{ upload: UPLOAD, settle_after: later.toISOString(), revision: 1, state_digest: 'x' },
  ...{ created_at: now.toISOString(), updated_at: now.toISOString() },
};
const version = (n: number): Version => ({
  ...{ version_id: `v${n}`, etag: `e${n}`, size_bytes: n, content_type: 'a/b', sha256: undefined },
  checksum: 'unverified',
});

/** Every change that is ever decided of a pointer. */
const CHANGES: Record<string, (row: ArtifactRow, n: number) => states.Next> = {
  stored: (row, n) => states.stored(row, version(n), now),
  storedAgain: (row) => states.stored(row, version(Number(row.version_id?.slice(1) ?? 0)), now),
  awaiting: (row) => states.awaiting(row, UPLOAD, later),
  abandoned: (row) => states.abandoned(row),
  deleting: (row) => states.deleting(row, now, later),
  deleted: (row) => states.removed(row, 'deleted'),
  expired: (row) => states.removed(row, 'expired'),
  ghost: (row) => states.removed(row, 'deleted', row.version_id === undefined ? [] : [row.version_id]),
  comingBack: (row) => states.comingBack(row, later),
  endedAsIs: (row) => states.endedAsIs(row),
  broughtBack: (row) => states.broughtBack(row),
  held: (row) => states.locked(row, { legal_hold: true, retention: undefined }),
  retained: (row) =>
    states.locked(row, { ...FREE, retention: { mode: 'GOVERNANCE', retain_until: later.toISOString() } }),
  freed: (row) => states.locked(row, FREE),
  described: (row) => states.described(row, { metadata: { a: 1 }, session_id: undefined }),
};
/** What is only ever decided of what is gone. */
const OF_THE_GONE = ['comingBack', 'endedAsIs', 'broughtBack'];
/** Where each status may lead by one change. */
const LEADS_TO: Record<ArtifactStatus, ArtifactStatus[]> = {
  reserved: ['reserved', 'stored', 'deleting', 'abandoned'],
  stored: ['stored', 'deleting', 'deleted', 'expired'],
  deleting: ['deleting', 'deleted', 'stored'],
  deleted: ['deleted', 'stored'],
  expired: ['expired', 'stored', 'deleting'],
  abandoned: ['abandoned', 'stored', 'reserved', 'deleting'],
};

const applied = (row: ArtifactRow, change: string, n: number): states.Next | undefined => {
  if (OF_THE_GONE.includes(change) && !['deleted', 'expired'].includes(row.status)) return undefined;
  try {
    return CHANGES[change]!(row, n);
  } catch (error) {
    if (!isAcervoError(error)) throw error;
    return undefined;
  }
};
const rowOf = (row: ArtifactRow, next: states.Next): ArtifactRow => ({
  ...(next.row as ArtifactRow),
  ...{ id: row.id, created_at: row.created_at, updated_at: row.updated_at },
  ...{ revision: row.revision + 1, state_digest: 'x' },
});

describe('a pointer', () => {
  test('keeps its rules along every sequence of changes', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.keys(CHANGES)), { maxLength: 30 }), (changes) => {
        let row = RESERVED;
        const known = new Set<string>();
        for (const [n, change] of changes.entries()) {
          const next = applied(row, change, n + 1);
          if (next === undefined) continue;
          const isHeld = row.legal_hold || row.retention !== undefined;
          if (next.version) known.add(next.version.version_id);
          for (const gone of next.gone ?? []) known.delete(gone);
          expect(LEADS_TO[row.status]).toContain(next.row.status);
          if (row.status !== 'deleting' && next.row.status === 'deleting') expect(isHeld).toBe(false);
          if (['deleting', 'deleted', 'expired'].includes(row.status)) expect(next.version).toBeUndefined();
          seen.add(`${row.status} ${next.row.status}`);
          row = rowOf(row, next);
          expect(row.version_count).toBeGreaterThanOrEqual(0);
          if (row.version_id !== undefined) expect(known).toContain(row.version_id);
          if (['deleted', 'expired', 'abandoned'].includes(row.status)) expect(row.upload).toBeUndefined();
          if (row.status === 'reserved') expect(row.upload).toBeDefined();
          if (['reserved', 'deleting'].includes(row.status) || row.upload) expect(row.settle_after).toBeDefined();
          expect(row).toMatchObject({ id: 'a', bucket: 'agents-artifacts', key: 'a' });
        }
      }),
      { numRuns: 2000 },
    );
    expect([...seen].sort()).toContain('abandoned stored');
    expect([...seen].sort()).toContain('expired deleting');
  });

  test.each<ArtifactStatus>(['deleting', 'deleted', 'expired'])(
    'that is %s takes no bytes that come late',
    (status) => {
      const row = { ...RESERVED, status };
      expect(() => states.stored(row, version(1), now)).toThrow(
        expect.objectContaining({ code: 'artifact:not_reserved' }),
      );
    },
  );

  test('has at most 1 000 versions; the one that it is counts once', () => {
    const row: ArtifactRow = { ...RESERVED, status: 'stored', version_id: 'v7', version_count: 1000 };
    expect(() => states.stored(row, version(8), now)).toThrow(
      expect.objectContaining({ code: 'artifact:too_many_versions' }),
    );
    expect(states.stored(row, version(7), now).row.version_count).toBe(1000);
  });

  test('is held by either, and until its retention is over', () => {
    const until = { mode: 'COMPLIANCE', retain_until: later.toISOString() } as const;
    const held = expect.objectContaining({ code: 'artifact:held' });
    expect(() => states.refuseHeld({ ...RESERVED, legal_hold: true }, now)).toThrow(held);
    expect(() => states.refuseHeld({ ...RESERVED, retention: until }, now)).toThrow(held);
    expect(() => states.refuseHeld({ ...RESERVED, retention: until }, later)).not.toThrow();
    expect(() => states.refuseHeld(RESERVED, now)).not.toThrow();
  });
});
