import { z } from 'zod';
import { defineRoute, type Reply, type Route } from '../http/route.js';
import { lineageOf } from './lineage.js';
import { MERMAID, mermaidOf } from './mermaid.js';
import { PROV_JSON, provOf } from './prov.js';
import { type Lineage, lineageQuerySchema, lineageSchema, resourceSchema } from './schemas.js';

type Format = 'json' | 'prov' | 'mermaid';

/** What a media range of `Accept` asks for; PROV-JSON is also JSON with a profile that says so. */
function formatOfRange(range: string): Format | undefined {
  const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
  if (type === PROV_JSON) return 'prov';
  if (type === MERMAID) return 'mermaid';
  if (type !== 'application/json') return undefined;
  return parameters.some((parameter) => /^profile=.*\bprov\b/.test(parameter)) ? 'prov' : 'json';
}

/** The first format that `Accept` names; JSON when it names none of ours. */
function formatOf(accept: string | null): Format {
  const formats = (accept ?? '').split(',').map(formatOfRange);
  return formats.find((format) => format !== undefined) ?? 'json';
}

function replyIn(format: Format, lineage: Lineage): Reply {
  const vary = { vary: 'accept' };
  if (format === 'mermaid')
    return { status: 200, body: mermaidOf(lineage), headers: { ...vary, 'content-type': `${MERMAID}; charset=utf-8` } };
  if (format === 'prov')
    return { status: 200, body: JSON.stringify(provOf(lineage)), headers: { ...vary, 'content-type': PROV_JSON } };
  return { status: 200, body: lineage, headers: vary };
}

const getRoute = defineRoute({
  method: 'GET',
  path: '/v1/lineage/{resource}',
  operationId: 'getLineage',
  tag: 'lineage',
  scope: 'lineage:read',
  summary: 'What led to a resource, and what came of it',
  description:
    'Follows decides, produces, supports and derived_from. Causes lie above their effects: an agent or session ' +
    'above its decisions; an agent, session or decision above the artifacts that it produces; knowledge above the decisions that ' +
    'it supports; an artifact above the knowledge derived from it. At most 1 000 nodes and 5 000 edges, nearest first. ' +
    'What the key may not read (kinds whose read scope it lacks, other agents’ rows for a bound key) is left out and ' +
    'not passed through. As JSON, as W3C PROV-JSON (application/prov+json), or as a Mermaid flowchart ' +
    '(text/vnd.mermaid), by `format` or `Accept`.',
  params: z.object({ resource: resourceSchema }),
  query: lineageQuerySchema,
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
  responses: { 200: { description: 'Nodes and edges.', schema: lineageSchema } },
  errors: ['lineage:not_found'],
  handler: async (ctx, { params: { resource }, query, headers }) => {
    const lineage = await lineageOf(ctx, resource, query);
    return replyIn(query.format ?? formatOf(headers.get('accept')), lineage);
  },
});

export const lineageRoutes: Route[] = [getRoute];
