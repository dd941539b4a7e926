import { z } from 'zod';
import { DECISION_COLUMNS, SESSION_COLUMNS } from './ast.js';

export const filterExample = {
  'metadata.file_size': { $gt: 10_000_000 },
  created_at: { $gte: '2026-01-01T00:00:00Z' },
  $or: [{ agent_id: 'a1' }, { 'metadata.tags': { $contains: 'public' } }],
};

/** The `filter` of a request, for OpenAPI; the real check is `parseFilter`. */
const filterSchemaOf = (what: string, paths: string, example: Record<string, unknown>) =>
  z.record(z.string(), z.unknown()).meta({
    description: [
      `Which ${what} to take: paths with a value or with operators, all of which must hold.`,
      `Paths: ${paths}, metadata.….`,
      'Operators: $eq $ne $gt $gte $lt $lte $in $nin $exists $contains; around objects $and $or $not.',
      'A missing path fulfils only $ne, $nin, $exists: false and $not. Values of different types are neither equal nor ordered.',
      'At most 8 levels, 100 conditions, 100 values in a list.',
    ].join(' '),
    example,
  });

export const filterSchema = filterSchemaOf(
  'documents',
  'id, title, language, agent_id, artifact_id, created_at, updated_at, revision, embedding_status',
  filterExample,
);

export const sessionFilterSchema = filterSchemaOf('sessions', `${Object.keys(SESSION_COLUMNS).join(', ')}, state.…`, {
  status: { $in: ['active', 'paused'] },
  'state.step': { $gte: 3 },
});

export const decisionFilterSchema = filterSchemaOf('decisions', Object.keys(DECISION_COLUMNS).join(', '), {
  decision_type: 'action',
  'outcome.status': { $in: ['failure', 'partial'] },
});
