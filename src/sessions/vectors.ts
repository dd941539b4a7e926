import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { checkedUnitVector } from '../knowledge/vectors.js';
import { type ChangedSession, changeSession } from './change.js';
import { readSession } from './row.js';
import type { VectorInput } from './schemas.js';
import { type NamedVector, withVectors } from './states.js';

/** @throws AcervoError `request:invalid`: a name that stands twice, or an entry without or with both of vector and text */
function checkEntries(entries: VectorInput[]): void {
  const names = new Set<string>();
  const faults = entries.flatMap(({ name, vector, text }, index) => {
    const path = `vectors.${index}`;
    const twice = names.has(name);
    names.add(name);
    if (twice) return [{ path: `${path}.name`, message: 'stands twice' }];
    return (vector === undefined) === (text === undefined) ? [{ path, message: 'needs a vector or a text' }] : [];
  });
  if (faults.length > 0) throw new AcervoError('request:invalid', { faults });
}

/** The vectors as given, and those of the texts, made in one call. */
async function named(ctx: Context, entries: VectorInput[], signal: AbortSignal): Promise<NamedVector[]> {
  const { dimensions } = ctx.embedder.space;
  const given = entries.map(({ vector }, index) =>
    vector === undefined ? undefined : checkedUnitVector(vector, dimensions, `vectors.${index}.vector`),
  );
  const texts = entries.flatMap(({ text }) => (text === undefined ? [] : [text]));
  if (texts.length > 0 && !ctx.embedder.available) throw new AcervoError('embedding:vector_required');
  const made = texts.length === 0 ? [] : await ctx.embedder.embed(texts, 'document', signal);
  let next = 0;
  return entries.map(({ name }, index) => ({ name, embedding: given[index] ?? made[next++] ?? [] }));
}

/**
 * Replaces the vectors of a session: all of them or none.
 * @throws AcervoError `request:invalid`, `vector:*`, `embedding:*`, and those of `changeSession`
 */
export async function putVectors(
  ctx: Context,
  id: string,
  entries: VectorInput[],
  { expectedRevision, signal }: { expectedRevision?: number | undefined; signal: AbortSignal },
): Promise<ChangedSession> {
  checkEntries(entries);
  await readSession(ctx, id);
  const vectors = await named(ctx, entries, signal);
  const { slug } = ctx.embedder.space;
  return changeSession(ctx, id, (row) => withVectors(row, vectors, slug), {
    operation: ctx.operation,
    expectedRevision,
  });
}
