import { v7 as uuidv7 } from 'uuid';
import { auditDraft } from '../audit/draft.js';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { actingAgent } from '../keys/bound-agent.js';
import { type DocumentVectors, embedDocuments } from '../knowledge/embed.js';
import { checkMetadata } from '../knowledge/prepare.js';
import { splitText } from '../knowledge/split.js';
import { inTurn } from '../knowledge/store.js';
import { checkedUnitVector } from '../knowledge/vectors.js';
import { type DecisionColumns, recorded, writtenColumns } from './columns.js';
import { requireLinkScopes } from './links.js';
import { type CreateDecisionInput, MAX_REASONING_BYTES, type StoredDecision } from './schemas.js';

/** More than a reasoning of the largest size is ever cut into. */
const MAX_PASSAGES = Math.ceil(MAX_REASONING_BYTES / 500);

function columnsOf(ctx: Context, input: CreateDecisionInput): DecisionColumns {
  const { session_id, decision_type, metadata = {} } = input;
  checkMetadata(metadata);
  const agent_id = actingAgent(ctx, input.agent_id);
  if (agent_id === undefined)
    throw new AcervoError('request:invalid', {
      faults: [{ path: 'agent_id', message: 'is needed: this key is bound to no agent' }],
    });
  const outcome = input.outcome && recorded(input.outcome, undefined, ctx.clock());
  return { agent_id, session_id, decision_type, outcome, metadata };
}

/** The reasoning cut into passages, and the vector that the caller brought for the whole of it. */
function prepared(ctx: Context, { reasoning, vector }: CreateDecisionInput) {
  // Composed, as words of a query come: the index cuts at accents that stand apart.
  const slices = splitText(reasoning.normalize('NFC'), { language: ctx.config.language, maxPassages: MAX_PASSAGES });
  if (slices.length === 0)
    throw new AcervoError('request:invalid', { faults: [{ path: 'reasoning', message: 'holds no text' }] });
  const passages = slices.map(({ text }, ordinal) => ({ ordinal, text, vector: undefined }));
  const wholeVector = vector && checkedUnitVector(vector, ctx.embedder.space.dimensions, 'vector');
  return { passages, wholeVector };
}

/**
 * Records a decision, in one transaction: row, reasoning, passages, vectors, audit row, and the edges from its agent,
 * from its evidence and to its products. While the embedder is away its vectors are `pending`.
 * @throws AcervoError `decision:id_unavailable`; `knowledge:not_found`, `artifact:not_found` or `session:not_found` for
 *   what is not there or may not be read; `knowledge:metadata_too_large`, `vector:*`, `auth:agent_mismatch`,
 *   `auth:scope_missing` (of links), `request:invalid`, `request:overloaded`
 */
export async function createDecision(
  ctx: Context,
  input: CreateDecisionInput,
  signal: AbortSignal,
): Promise<StoredDecision> {
  requireLinkScopes(ctx, input);
  const { audit_values, ...params } = await decisionParams(ctx, input, signal);
  const change = {
    query: 'decisions/create',
    params: { ...params, audit_values: [audit_values] },
    operation: ctx.operation,
    audit: auditDraft(ctx, `decision:${params.id}`, params.row.agent_id),
  };
  const committed = await inTurn(params.passages.length, () => ctx.db.transact<StoredDecision>(change));
  return { ...committed.answer, audit_id: committed.audit_id };
}

/**
 * What `decisions/create` takes, checked and embedded, and the part of its audit row that may be erased.
 * @throws AcervoError as `createDecision` says, but for what only the transaction finds out
 */
export async function decisionParams(ctx: Context, input: CreateDecisionInput, signal: AbortSignal) {
  const id = input.id ?? uuidv7();
  const { columns, audit_values } = writtenColumns(columnsOf(ctx, input), input.reasoning);
  const document = prepared(ctx, input);
  const [made] = await embedDocuments(ctx, [document], { required: false, signal });
  const { vectors = [], ...embedding }: Partial<DocumentVectors> = made ?? {};
  return {
    id,
    row: {
      ...columns,
      ...embedding,
      embedding_space: ctx.embedder.space.slug,
      passage_count: document.passages.length,
      size_bytes: Buffer.byteLength(input.reasoning),
    },
    audit_values,
    reasoning: input.reasoning,
    passages: document.passages.map(({ ordinal, text }) => ({ ordinal, text })),
    vectors,
    evidence: [...new Set(input.evidence)],
    products: [...new Set(input.products)],
    bound_agent: ctx.principal.agent_id,
  };
}
