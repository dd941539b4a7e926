import { z } from 'zod';
import type { Context } from '../../context.js';
import { AcervoError } from '../../errors/error.js';
import { NDJSON } from '../../http/body.js';
import { digestOf } from '../../http/digest.js';
import { defineRoute, type Route } from '../../http/route.js';
import { auditIdSchema } from '../schemas.js';
import { exportSeals, latestSeal, listSeals } from './list.js';
import { proveRow } from './proof.js';
import { listedSealSchema, proofSchema, sealPageSchema, sealsQuery, verifyQuery, verifySchema } from './schemas.js';
import type { Seal } from './seal.js';
import { type Position, type VerifyReport, verifyPage } from './verify.js';

const DEFAULT_LIMIT = 50;
const CURSOR_KIND = 'audit-verify';
/** A page of a verification: seconds, where a request has a minute. */
const PAGE_ROWS = 50_000;
const PAGE_SEALS = 2_000;

const reading = {
  method: 'GET',
  tag: 'audit',
  scope: 'audit:read',
  bodyKind: 'none',
  maxBodyBytes: 0,
  write: false,
} as const;

/** A key that is bound to an agent learns which seal, not whose row. */
const seenBy = (ctx: Context, report: VerifyReport): VerifyReport =>
  ctx.principal.agent_id === undefined
    ? report
    : { ...report, faults: report.faults.map(({ kind, seal }) => ({ kind, ...(seal !== undefined && { seal }) })) };

/** The same for the seals: their hashes, not the ids of rows. */
function sealSeenBy(ctx: Context, seal: Seal): Partial<Seal> {
  if (ctx.principal.agent_id === undefined) return seal;
  const { first_id: _first, last_id: _last, sealed_through: _through, ...seen } = seal;
  return seen;
}

/** @throws AcervoError `auth:agent_mismatch` */
function refuseBound({ principal }: Context): void {
  if (principal.agent_id !== undefined)
    throw new AcervoError('auth:agent_mismatch', { detail: 'The export has the rows of all agents.' });
}

const verifyRoute = defineRoute({
  ...reading,
  path: '/v1/audit/verify',
  operationId: 'verifyAudit',
  summary: 'Is the log as it was sealed?',
  description:
    'Recomputes seals and rows, 50 000 rows a page. A log whose end was cut off together with its seals looks whole: ' +
    'compare `head` with a hash that was published.',
  query: verifyQuery,
  responses: { 200: { description: 'What this page has found.', schema: verifySchema } },
  errors: ['cursor:invalid', 'cursor:expired'],
  handler: async (ctx, { query: { from, to, cursor }, signal }) => {
    const digest = digestOf([ctx.principal.key_id, from, to]);
    const position =
      cursor === undefined ? undefined : (ctx.cursors.verify(CURSOR_KIND, cursor, digest) as unknown as Position);
    const bounds = { maxRows: PAGE_ROWS, maxSeals: PAGE_SEALS, signal };
    const { report, next } = await verifyPage(ctx.db, { from, to, position, ...bounds });
    const more = next && { cursor: ctx.cursors.sign(CURSOR_KIND, { ...next }, digest) };
    return { status: 200, body: { ...seenBy(ctx, report), ...more } };
  },
});

const listRoute = defineRoute({
  ...reading,
  path: '/v1/audit/seals',
  operationId: 'listAuditSeals',
  summary: 'The seals over the log, newest first',
  query: sealsQuery,
  responses: { 200: { description: 'A page.', schema: sealPageSchema } },
  errors: ['cursor:invalid', 'cursor:expired', 'auth:agent_mismatch'],
  handler: async (ctx, { query: { format, limit = DEFAULT_LIMIT, cursor } }) => {
    if (format === 'ndjson') {
      refuseBound(ctx);
      return { status: 200, body: exportSeals(ctx), headers: { 'content-type': NDJSON } };
    }
    const page = await listSeals(ctx, { limit, cursor });
    return { status: 200, body: { ...page, seals: page.seals.map((seal) => sealSeenBy(ctx, seal)) } };
  },
});

const latestRoute = defineRoute({
  ...reading,
  path: '/v1/audit/seals/latest',
  operationId: 'latestAuditSeal',
  summary: 'The newest seal; its hash stands for all that was sealed',
  responses: { 200: { description: 'The seal.', schema: listedSealSchema } },
  errors: ['audit:not_sealed'],
  handler: async (ctx) => ({ status: 200, body: sealSeenBy(ctx, await latestSeal(ctx)) }),
});

const proofRoute = defineRoute({
  ...reading,
  path: '/v1/audit/{id}/proof',
  operationId: 'proveAudit',
  summary: 'The proof that a row was sealed as it is',
  description: 'Checked with nothing but a published hash by `npm run audit:verify -- --proof FILE --root HEX`.',
  params: z.object({ id: auditIdSchema }),
  responses: { 200: { description: 'The proof.', schema: proofSchema } },
  errors: ['audit:not_found', 'audit:not_sealed'],
  handler: async (ctx, { params: { id } }) => ({ status: 200, body: await proveRow(ctx, id) }),
});

/** They come before `/v1/audit/{id}`, which would take them. */
export const sealRoutes: Route[] = [verifyRoute, listRoute, latestRoute, proofRoute];
