import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { actingAgent } from '../keys/bound-agent.js';
import { checkMetadata } from '../knowledge/prepare.js';
import { keyFor } from '../objects/buckets.js';
import { checkName } from '../objects/keys.js';
import { writeArtifact } from './change.js';
import { type ArtifactColumns, type ArtifactRow, publicArtifact } from './row.js';
import type { Artifact, ReserveInput, UploadInstructions } from './schemas.js';
import { checkSize, plannedUpload, reservedUntil, uploadInstructions, withUploadId } from './upload.js';

export interface ReservedArtifact {
  /** Without instructions when its bytes have come already: a retry of the reservation is answered late. */
  artifact: Omit<Artifact, 'upload'> & { upload?: UploadInstructions };
  audit_id: string | undefined;
}

/**
 * Makes a pointer that awaits its bytes, and says how to send them. The pointer comes first: whatever happens to the
 * upload, somebody knows of it.
 * @throws AcervoError `artifact:bucket_not_found`, `artifact:key_invalid`, `artifact:key_taken`,
 *   `artifact:id_unavailable`, `artifact:too_large`, `knowledge:metadata_too_large`, `auth:agent_mismatch`,
 *   `session:not_found`
 */
export async function reserveArtifact(ctx: Context, input: ReserveInput): Promise<ReservedArtifact> {
  const id = input.id ?? uuidv7();
  const next = { row: reservation(ctx, id, input), action: 'CREATE', status: 'SUCCESS' } as const;
  const { artifact, audit_id } = await writeArtifact(ctx, id, next, { revision: 0, operation: ctx.operation });
  ctx.passFaultPoint('reserve:pointer_made');
  return { artifact: await withInstructions(ctx, artifact), audit_id };
}

/** A pointer with the requests that send the bytes it awaits. @throws AcervoError `objects:unavailable` */
export async function withInstructions(ctx: Context, row: ArtifactRow): Promise<ReservedArtifact['artifact']> {
  const ready = await withUploadId(ctx, row);
  const { upload, ...shown } = publicArtifact(ready);
  return upload === undefined ? shown : { ...shown, upload: await uploadInstructions(ctx, ready) };
}

/**
 * The pointer of a new artifact, checked.
 * @throws AcervoError as `reserveArtifact` says, but for what others have taken
 */
export function reservation(ctx: Context, id: string, input: ReserveInput): ArtifactColumns {
  const { entity, user, session_id, name, metadata = {}, size_bytes, content_type, sha256 } = input;
  const bucket = ctx.config.objects.buckets.find((one) => one.name === input.bucket);
  if (bucket === undefined) throw new AcervoError('artifact:bucket_not_found');
  checkSize(ctx, size_bytes);
  checkMetadata(metadata);
  const agent_id = actingAgent(ctx, input.agent_id);
  const key = keyFor(bucket, { entity, id, name, user, session_id, agent_id }, ctx.clock());
  checkName({ bucket: bucket.name, key });
  return {
    bucket: bucket.name,
    key,
    ...{ name, entity, user, agent_id, session_id, metadata, content_type, size_bytes, sha256 },
    status: 'reserved',
    checksum: 'unverified',
    version_count: 0,
    legal_hold: false,
    upload: plannedUpload(ctx, input),
    settle_after: reservedUntil(ctx).toISOString(),
  };
}
