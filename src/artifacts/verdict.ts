import type { Context } from '../context.js';
import { isHeld } from '../objects/object-lock.js';
import { changeArtifact } from './change.js';
import { lockOf } from './landing.js';
import type { ArtifactRow, Version } from './row.js';
import type { Next } from './states.js';

/** How a pointer and its object did not agree. */
export type Disagreement =
  /** The bytes are there, and the pointer does not know yet. */
  | 'landed'
  /** Bytes of another size or digest than was declared. */
  | 'mismatch'
  /** A reservation is over and nothing came. */
  | 'stuck_reservation'
  /** A delete was begun and not ended. */
  | 'stuck_delete'
  /** The pointer says stored, and the object is gone or hidden. */
  | 'ghost'
  /** Bytes over the artifact's version that nobody was told were stored. */
  | 'stray_version'
  /** The pointer says deleted, and the object is visible. */
  | 'undead';

/** What is known of why an object went away. */
export interface RemovalHint {
  lifecycle: boolean;
}

/** A disagreement, and what would end it; undefined: it is too young. */
export interface Verdict {
  kind: Disagreement;
  detail: string;
  remedy: (() => Promise<unknown>) | undefined;
}

/** Answered by a remedy that finds, on reading the bytes, that it has to wait. */
export const TOO_YOUNG = Symbol('too young');

export const isDue = (ctx: Context, { settle_after }: ArtifactRow) =>
  settle_after !== undefined && new Date(settle_after) <= ctx.clock();

/** Is it so old that no request that is under way can have made it? */
export function isSettled(ctx: Context, { modified_at }: { modified_at: string }): boolean {
  const ageMs = ctx.clock().getTime() - new Date(modified_at).getTime();
  // Times of S3 are whole seconds, by its own clock.
  return ageMs >= ctx.config.objects.reconcileGraceSeconds * 1000 || ctx.config.objects.reconcileGraceSeconds === 0;
}

/** Does a legal hold or a retention of the store's keep this version? Then it cannot go. */
export async function isKept(ctx: Context, row: ArtifactRow, version_id: string): Promise<boolean> {
  const { legal_hold, retention } = await lockOf(ctx, row, version_id);
  return isHeld({ legal_hold, retention: retention ?? null }, ctx.clock());
}

/** What `decide` says, if the pointer still is what was judged. */
export const changeJudged = (ctx: Context, row: ArtifactRow, decide: (now: ArtifactRow) => Next) => () =>
  changeArtifact(ctx, row.id, (now) => (now.revision === row.revision ? decide(now) : undefined));

/** The versions of an artifact whose bytes were acknowledged, by their ids. */
export async function acknowledged(ctx: Context, { id }: ArtifactRow): Promise<Map<string, Version>> {
  const versions = await ctx.db.query<Version[]>('artifacts/versions', { id });
  return new Map(versions.map((version) => [version.version_id, version]));
}
