import { withArtifacts } from '../artifacts/of-hits.js';
import { CURSOR_ERRORS, FILTER_ERRORS } from '../http/paging.js';
import { defineRoute, type Route } from '../http/route.js';
import { requireScopes } from '../keys/require-scopes.js';
import { KNOWLEDGE } from '../knowledge/corpus.js';
import { searchAnswerSchema, searchDocumentsSchema } from './schemas.js';
import { search } from './search.js';

const searchRoute = defineRoute({
  method: 'POST',
  path: '/v1/search',
  operationId: 'search',
  tag: 'search',
  scope: 'search:read',
  summary: 'Find documents by words, by meaning, or both',
  description:
    'Never shorter than `limit` while more documents match, unless `plan.incomplete` says so; `plan` says how the search ' +
    'was made.',
  body: searchDocumentsSchema,
  bodyKind: 'json',
  maxBodyBytes: 1_000_000,
  write: false,
  responses: { 200: { description: 'Documents with their best passages, best first.', schema: searchAnswerSchema } },
  errors: [
    ...FILTER_ERRORS,
    ...CURSOR_ERRORS,
    'vector:wrong_dimensions',
    'vector:zero',
    'search:nothing_to_search',
    'embedding:vector_required',
    'embedding:unavailable',
  ],
  handler: async (ctx, { body: { artifacts, ...question }, signal }) => {
    if (artifacts !== undefined) requireScopes(ctx, ['artifacts:read']);
    const found = await search(ctx, KNOWLEDGE, question, signal);
    if (artifacts === undefined) return { status: 200, body: found };
    return { status: 200, body: { ...found, hits: await withArtifacts(ctx, found.hits, artifacts) } };
  },
});

export const searchRoutes: Route[] = [searchRoute];
