import { adoptObject } from '../artifacts/adopt.js';
import type { ArtifactRow } from '../artifacts/row.js';
import { settleArtifact } from '../artifacts/settle.js';
import type { Context } from '../context.js';
import type { ObjectName } from '../objects/port.js';
import { type BucketEvent, isCreation, isRemoval } from './event.js';
import { forgetGoneVersions, isOldVersion, knownVersions } from './old-versions.js';

/** An event that waits to be applied. */
export interface PendingEvent extends BucketEvent {
  id: string;
  received_at: string;
  attempts: number;
  age_ms: number;
}

/** What has become of an event. */
export interface Applied {
  event: PendingEvent;
  status: 'applied' | 'ignored';
  outcome: string;
}

/**
 * Applies events of one object, in their order. They are hints: except where the pointer knows of an event already, the
 * store is asked what is there, once for all of them.
 * @throws AcervoError `objects:unavailable`, `objects:refused`, `database:*`, and those of `settleArtifact`
 */
export async function applyToObject(ctx: Context, name: ObjectName, events: PendingEvent[]): Promise<Applied[]> {
  const followed = events.filter((event) => isCreation(event) || isRemoval(event));
  const others = events.filter((event) => !followed.includes(event));
  const ignored = others.map((event): Applied => ({ event, status: 'ignored', outcome: 'not_followed' }));
  if (followed.length === 0) return ignored;
  const row = await pointerOf(ctx, name);
  const applied = row === undefined ? await applyToUnknown(ctx, name, followed) : await applyTo(ctx, row, followed);
  return [...ignored, ...applied];
}

async function pointerOf(ctx: Context, { bucket, key }: ObjectName): Promise<ArtifactRow | undefined> {
  return (await ctx.db.query<ArtifactRow | null | undefined>('artifacts/of-object', { bucket, key })) ?? undefined;
}

async function applyTo(ctx: Context, row: ArtifactRow, events: PendingEvent[]): Promise<Applied[]> {
  const isKnown = (event: PendingEvent) =>
    row.status === 'stored' && isCreation(event) && event.version_id === row.version_id;
  const news = events.filter((event) => !isKnown(event));
  const known = events
    .filter(isKnown)
    .map((event): Applied => ({ event, status: 'ignored', outcome: 'known_version' }));
  if (news.length === 0) return known;
  const versions = news.some(isRemoval) ? await knownVersions(ctx, row.id) : new Set<string>();
  const old = news.filter((event) => isRemoval(event) && isOldVersion(row, versions, event.version_id));
  const rest = news.filter((event) => !old.includes(event));
  const outcome = rest.length === 0 ? undefined : await settle(ctx, row, rest);
  // Last: settling may be what makes the artifact's own version an old one.
  const all = rest.some(({ event_name }) => event_name.endsWith(':DeleteAllVersions'));
  const gone = await forgetGoneVersions(ctx, row.id, all ? versions : new Set(old.map(({ version_id }) => version_id)));
  return [
    ...known,
    ...rest.map((event): Applied => ({ event, status: 'applied', outcome: outcome ?? 'agreed' })),
    ...old.map((event): Applied => {
      const isGone = event.version_id !== undefined && gone.has(event.version_id);
      return { event, status: 'applied', outcome: isGone ? 'version_gone' : 'agreed' };
    }),
  ];
}

async function settle(ctx: Context, row: ArtifactRow, events: PendingEvent[]): Promise<string | undefined> {
  const removal = events.findLast(isRemoval);
  const hint = removal && { lifecycle: removal.lifecycle };
  return (await settleArtifact(ctx, row, { apply: true, ...(hint && { hint }) }))?.kind;
}

/** Somebody put an object into a bucket of ours without asking: adopted or reported, as configured. */
async function applyToUnknown(ctx: Context, name: ObjectName, events: PendingEvent[]): Promise<Applied[]> {
  if (ctx.config.objects.unknownObjects === 'adopt' && events.some(isCreation)) {
    if ((await adoptObject(ctx, name)) !== undefined)
      return events.map((event): Applied => ({ event, status: 'applied', outcome: 'adopted' }));
    const row = await pointerOf(ctx, name);
    if (row !== undefined) return applyTo(ctx, row, events);
  }
  return events.map((event): Applied => {
    return { event, status: 'ignored', outcome: isCreation(event) ? 'unknown_object' : 'no_pointer' };
  });
}
