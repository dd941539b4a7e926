import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { defineRoute, type Route } from '../http/route.js';
import { reconcile, reconcileStatus } from './reconcile.js';
import { type ReconcileReport, reconcileSchema, reportSchema, statusSchema } from './schemas.js';

/** So long a request waits for a run; well within its deadline. */
const WAIT_MS = 45_000;

/** A run is over the artifacts of all agents, and its report names them: nothing for a key of one of them. */
const isBound = ({ principal }: Context): boolean => principal.agent_id !== undefined;

const managing = { path: '/v1/reconcile', tag: 'objects', scope: 'objects:manage', write: false } as const;

/**
 * Begins a run that goes on whether or not the client waits for it.
 * @returns its report; undefined when it takes longer than a request may
 * @throws AcervoError those of `reconcile`, when it fails that soon
 */
async function reconcileInBackground(
  ctx: Context,
  mode: { apply: boolean; checksums: boolean },
): Promise<ReconcileReport | undefined> {
  const run = reconcile(ctx, { ...mode, signal: new AbortController().signal });
  run.catch((error: unknown) => {
    if (!isAcervoError(error, 'reconcile:running')) ctx.log.warn({ err: error }, 'a reconcile was broken off');
  });
  const waited = new AbortController();
  const late = sleep(WAIT_MS, undefined, { signal: waited.signal }).catch(() => undefined);
  return Promise.race([run, late]).finally(() => waited.abort());
}

const runRoute = defineRoute({
  ...managing,
  method: 'POST',
  operationId: 'reconcile',
  summary: 'Make the database and the object store agree',
  description:
    'Without `apply` it only says where they do not. A run that takes longer than 45 s goes on by itself: the answer is ' +
    '202, and GET shows the report when it is finished. Not for keys that are bound to an agent.',
  body: reconcileSchema,
  bodyKind: 'json',
  maxBodyBytes: 1000,
  responses: {
    200: { description: 'What was found.', schema: reportSchema },
    202: { description: 'It goes on.', schema: statusSchema },
  },
  errors: [
    'auth:agent_mismatch',
    'reconcile:running',
    'artifact:bucket_not_found',
    'objects:unavailable',
    'objects:refused',
  ],
  handler: async (ctx, { body }) => {
    if (isBound(ctx)) throw new AcervoError('auth:agent_mismatch', { detail: 'A run is over the objects of all.' });
    const report = await reconcileInBackground(ctx, body);
    return report === undefined ? { status: 202, body: await reconcileStatus(ctx) } : { status: 200, body: report };
  },
});

const statusRoute = defineRoute({
  ...managing,
  method: 'GET',
  operationId: 'getReconcile',
  summary: 'The last reconcile, and whether one is running',
  bodyKind: 'none',
  maxBodyBytes: 0,
  responses: { 200: { description: '`run` is null before the first one.', schema: statusSchema } },
  errors: [],
  handler: async (ctx) => ({
    status: 200,
    body: isBound(ctx) ? { run: null, running: false } : await reconcileStatus(ctx),
  }),
});

export const reconcileRoutes: Route[] = [runRoute, statusRoute];
