import type { Pending, PendingVectors } from '../knowledge/embed-pending.js';

/** Decisions that wait for their vectors. */
export const PENDING_DECISIONS: PendingVectors = {
  kind: 'decision',
  fill: { query: 'decisions/fill' },
  adopt: (db, params) => db.query<number>('decisions/adopt-space', params),
  page: (db, params) => db.query<Pending[]>('decisions/pending', params),
  count: (db, params) => db.query<number>('decisions/count-pending', params),
  texts: (db, params) => db.query<string[]>('decisions/passage-texts', params),
};
