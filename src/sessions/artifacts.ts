import { type ArtifactRow, publicArtifact } from '../artifacts/row.js';
import type { Artifact } from '../artifacts/schemas.js';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { digestOf } from '../http/digest.js';
import { maySee } from '../keys/bound-agent.js';
import { requireScopes } from '../keys/require-scopes.js';
import { type ChangedSession, changeSession } from './change.js';
import { readSession } from './row.js';
import { withEdges } from './states.js';

const CURSOR_KIND = 'session-artifacts';

/** The routes have the scopes of sessions; what an artifact is, and whether it is there, needs that of artifacts too. */
const NEEDED = ['artifacts:read'] as const;

/** @throws AcervoError `auth:scope_missing`; `artifact:not_found` for the first that is not there, or not for this key */
async function requireReadable(ctx: Context, ids: string[]): Promise<void> {
  requireScopes(ctx, NEEDED);
  const rows = await ctx.db.query<ArtifactRow[]>('artifacts/get-many', { ids });
  const readable = new Set(rows.filter((row) => maySee(ctx.principal, row)).map(({ id }) => id));
  const missing = ids.find((id) => !readable.has(id));
  if (missing !== undefined)
    throw new AcervoError('artifact:not_found', { detail: `There is no artifact ${missing}.` });
}

async function attachedOf(ctx: Context, id: string, artifact_ids: string[]): Promise<Set<string>> {
  return new Set(await ctx.db.query<string[]>('sessions/attached', { id, artifact_ids }));
}

/**
 * Says that a session produced these artifacts; those that it has already change nothing.
 * @throws AcervoError `auth:scope_missing` without artifacts:read, `artifact:not_found` (then none is attached), and
 *   those of `changeSession`
 */
export function attachArtifacts(
  ctx: Context,
  id: string,
  artifactIds: string[],
  expectedRevision?: number,
): Promise<ChangedSession> {
  const ids = [...new Set(artifactIds)];
  return changeSession(
    ctx,
    id,
    async (row) => {
      await requireReadable(ctx, ids);
      const known = await attachedOf(ctx, id, ids);
      const attach = ids.filter((one) => !known.has(one));
      return attach.length === 0 ? undefined : withEdges(row, { attach });
    },
    { operation: ctx.operation, expectedRevision },
  );
}

/**
 * Takes an artifact from a session; the artifact itself stays.
 * @throws AcervoError `auth:scope_missing` without artifacts:read, `artifact:not_found` when the session does not have
 *   it, and those of `changeSession`
 */
export function detachArtifact(
  ctx: Context,
  id: string,
  artifactId: string,
  expectedRevision?: number,
): Promise<ChangedSession> {
  return changeSession(
    ctx,
    id,
    async (row) => {
      await requireReadable(ctx, [artifactId]);
      if (!(await attachedOf(ctx, id, [artifactId])).has(artifactId)) throw new AcervoError('artifact:not_found');
      return withEdges(row, { detach: [artifactId] });
    },
    { operation: ctx.operation, expectedRevision },
  );
}

/**
 * A page of the artifacts of a session that this key may read, in the order of their ids.
 * @throws AcervoError `session:not_found`, `auth:scope_missing` without artifacts:read, `cursor:*`
 */
export async function listSessionArtifacts(
  ctx: Context,
  id: string,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<{ artifacts: Artifact[]; cursor?: string }> {
  const digest = digestOf([ctx.principal.key_id, id]);
  const after = cursor === undefined ? undefined : String(ctx.cursors.verify(CURSOR_KIND, cursor, digest).after);
  await readSession(ctx, id);
  requireScopes(ctx, NEEDED);
  const page = { id, after, bound_agent: ctx.principal.agent_id, limit: limit + 1 };
  // One more than asked for tells whether there is another page.
  const rows = await ctx.db.query<ArtifactRow[]>('sessions/artifacts', page);
  const artifacts = rows.slice(0, limit).map(publicArtifact);
  const last = artifacts.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { artifacts, ...(more ? { cursor: ctx.cursors.sign(CURSOR_KIND, { after: last.id }, digest) } : {}) };
}
