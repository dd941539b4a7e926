import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { artifactParams } from '../artifacts/change.js';
import { type ReservedArtifact, reservation, withInstructions } from '../artifacts/reserve.js';
import { type ArtifactColumns, readArtifact } from '../artifacts/row.js';
import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';
import { decisionParams } from '../decisions/create.js';
import { requireLinkScopes } from '../decisions/links.js';
import type { StoredDecision } from '../decisions/schemas.js';
import { AcervoError, isAcervoError } from '../errors/error.js';
import { requireScopes } from '../keys/require-scopes.js';
import type { Scope } from '../keys/scopes.js';
import { embedDocuments } from '../knowledge/embed.js';
import { type PreparedDocument, prepareDocument } from '../knowledge/prepare.js';
import { refOf } from '../knowledge/source.js';
import { documentParams, inTurn, type StoredDocument } from '../knowledge/store.js';
import { sessionRow } from '../sessions/change.js';
import { publicSession, readSession, type SessionRow, type SessionTimes } from '../sessions/row.js';
import type { Session } from '../sessions/schemas.js';
import { answeredBefore } from '../surreal/answered.js';
import type { Committed } from '../surreal/database.js';
import { conflictBackoffMs } from '../surreal/retry-conflicts.js';
import type { ExecutionInput } from './schemas.js';
import { findSession, nextSession } from './session-step.js';

/** So often at most when others change the same session at once. */
const MAX_TRIES = 40;

export interface Executed {
  session: Session;
  artifact?: ReservedArtifact['artifact'];
  knowledge?: StoredDocument;
  decision?: StoredDecision;
}

/** What the transaction answers, and what a retry finds. */
interface Written {
  session: SessionTimes;
  artifact?: { id: string };
  knowledge?: StoredDocument;
  decision?: StoredDecision;
}

/** The route's scope is that of sessions; each further part needs the scope of its own route. */
function requireScopesOf(ctx: Context, { artifact, knowledge, decision }: ExecutionInput): void {
  const needed: [unknown, Scope][] = [
    [artifact, 'artifacts:write'],
    [knowledge, 'knowledge:write'],
    [decision, 'decisions:write'],
  ];
  requireScopes(
    ctx,
    needed.flatMap(([part, scope]) => (part === undefined ? [] : [scope])),
  );
}

/**
 * One step of an agent's run, all of it or nothing: the session's state, an artifact that awaits its bytes, what is
 * known of it, and a decision. A retry with the same Idempotency-Key changes nothing and answers the same ids.
 * @throws AcervoError `auth:scope_missing`, and what its parts throw alone: `session:*`, `artifact:*`, `knowledge:*`,
 *   `decision:*`, `vector:*`, `revision:contended`
 */
export async function execute(
  ctx: Context,
  input: ExecutionInput,
  signal: AbortSignal,
): Promise<{ executed: Executed; audit_id: string | undefined }> {
  requireScopesOf(ctx, input);
  requireLinkScopes(ctx, input.decision ?? {});
  const { answer, audit_id } =
    (await answeredBefore<Written>(ctx.db, ctx.operation)) ?? (await write(ctx, input, signal));
  const { artifact, knowledge, decision } = answer;
  const session = await readSession(ctx, answer.session.id);
  return {
    executed: {
      session: publicSession(session),
      ...(artifact && { artifact: await withInstructions(ctx, await readArtifact(ctx, artifact.id)) }),
      ...(knowledge && { knowledge }),
      ...(decision && { decision }),
    },
    audit_id,
  };
}

/** Decides from the session as it was read, and decides anew when somebody else came between. */
async function write(ctx: Context, input: ExecutionInput, signal: AbortSignal): Promise<Committed<Written>> {
  const id = input.session.id ?? uuidv7();
  const parts = await preparedParts(ctx, id, input, await findSession(ctx, id), signal);
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const row = await findSession(ctx, id);
    try {
      const committed = await commit(ctx, input, { id, row, parts });
      if (parts.artifact_params !== undefined) ctx.passFaultPoint('reserve:pointer_made');
      const stored = !committed.replayed && (committed.answer.knowledge?.status ?? 'unchanged') !== 'unchanged';
      if (stored) ctx.metrics.documentsStored.inc();
      return committed;
    } catch (error) {
      const begunMeanwhile = isAcervoError(error, 'session:id_unavailable') && row === undefined;
      if (!isAcervoError(error, 'revision:mismatch') && !(begunMeanwhile && (await findSession(ctx, id)))) throw error;
    }
    await sleep(conflictBackoffMs(tries));
  }
  throw new AcervoError('revision:contended', { retryAfterSeconds: 1 });
}

type Parts = Awaited<ReturnType<typeof preparedParts>>;

/** All that does not hang on the session's state: checked, and embedded outside of any transaction. */
async function preparedParts(
  ctx: Context,
  session_id: string,
  { session, artifact, knowledge, decision }: ExecutionInput,
  row: SessionRow | undefined,
  signal: AbortSignal,
) {
  // Whose the session is, its parts are.
  const agent_id = row === undefined ? (session.agent_id ?? ctx.principal.agent_id) : row.agent_id;
  const user = row === undefined ? session.user : row.user;
  const artifactId = artifact && (artifact.id ?? uuidv7());
  const columns =
    artifact && artifactId ? reservation(ctx, artifactId, { ...artifact, agent_id, session_id, user }) : undefined;
  const document = knowledge && prepared(ctx, knowledge, { agent_id, artifact: columns, artifactId });
  const [vectors] = document ? await embedDocuments(ctx, [document], { required: false, signal }) : [];
  const products = [...(decision?.products ?? []), ...(artifactId === undefined ? [] : [artifactId])];
  return {
    agent_id,
    artifact_params:
      columns && artifactId
        ? artifactParams(ctx, artifactId, { row: columns, action: 'CREATE', status: 'SUCCESS' }, 0)
        : undefined,
    knowledge_params: document && documentParams(ctx, vectors ? { ...document, vectors } : document),
    decision_params: decision && (await decisionParams(ctx, { ...decision, agent_id, session_id, products }, signal)),
  };
}

function prepared(
  ctx: Context,
  { description, content = description, ...rest }: NonNullable<ExecutionInput['knowledge']>,
  of: { agent_id: string | undefined; artifact: ArtifactColumns | undefined; artifactId: string | undefined },
): PreparedDocument {
  const { agent_id, artifact, artifactId } = of;
  const input = { ...rest, content, agent_id, artifact_id: artifactId };
  return prepareDocument(ctx, artifact === undefined ? input : { ...input, minio_ref: refOf(artifact) });
}

async function commit(
  ctx: Context,
  input: ExecutionInput,
  { id, row, parts }: { id: string; row: SessionRow | undefined; parts: Parts },
): Promise<Committed<Written>> {
  const next = nextSession(ctx, input.session, row);
  const { agent_id, artifact_params, knowledge_params, decision_params } = parts;
  const session_params = {
    id,
    ...sessionRow(next.row),
    expected_revision: row?.revision ?? 0,
    vectors: next.vectors,
    attach: [],
    detach: [],
  };
  const passages = (knowledge_params?.passages.length ?? 0) + (decision_params?.passages.length ?? 0);
  return inTurn(passages, () =>
    ctx.db.transact<Written>({
      query: 'executions/put',
      params: { artifact_params, session_params, knowledge_params, decision_params },
      operation: ctx.operation,
      audit: auditDraft(ctx, `session:${id}`, agent_id),
    }),
  );
}
