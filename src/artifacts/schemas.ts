import { z } from 'zod';
import { agentIdSchema, idSchema } from '../knowledge/schemas.js';

export const MAX_NAME_BYTES = 200;
export const MAX_BATCH = 100;
/** From here on an upload is made of parts. */
export const MULTIPART_OVER_BYTES = 10_000_000;

const artifactIdSchema = idSchema.meta({ description: 'UUIDv7, or your own.', example: 'report-2026-q1' });

/** What becomes a segment of a key: no control characters, no lone surrogates, room for the rest of the key. */
const nameSchema = z
  .string()
  .min(1)
  .refine((text) => Buffer.byteLength(text) <= MAX_NAME_BYTES, `must be at most ${MAX_NAME_BYTES} bytes`)
  .refine((text) => !/[\p{Cc}\p{Cs}]/u.test(text), 'must have no control characters and no lone surrogates')
  // The database's SDK drops one as it decodes: what is read back would be another name, and another key.
  .refine((text) => !text.startsWith('\uFEFF'), 'must not begin with a byte order mark');

const sha256Schema = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hexadecimal digits')
  .transform((text) => text.toLowerCase())
  .meta({ description: 'SHA-256 of the bytes, in hexadecimal; other bytes are refused.' });

/** RFC 9110, section 8.3.1; parameters are allowed. */
export const contentTypeSchema = z
  .string()
  .max(255)
  .regex(
    /^[\w!#$&^.+-]+\/[\w!#$&^.+*-]+(?: *; *[\w!#$&^.+-]+=(?:[\w!#$&^.+:-]+|"[ !#-[\]-~]*"))*$/,
    'must be a media type',
  )
  .meta({ description: 'Media type of the bytes.', example: 'application/pdf' });

const uploadFields = {
  size_bytes: z.int().min(0).meta({ description: 'The bytes must be exactly so many.' }),
  sha256: sha256Schema.optional(),
  upload_method: z.enum(['auto', 'PUT', 'POST', 'multipart']).default('auto').meta({
    description:
      'auto: over 10 MB parts, else a form POST whose policy limits size and type (a signed PUT where objects are on disk).',
  }),
};

export const reserveSchema = z
  .strictObject({
    id: artifactIdSchema.optional(),
    bucket: z.string().max(63).default('agents-artifacts'),
    name: nameSchema.meta({ description: 'File name; the last part of the key.', example: 'budget.xlsx' }),
    content_type: contentTypeSchema.default('application/octet-stream'),
    ...uploadFields,
    entity: nameSchema.optional().meta({ description: 'What it is about; a part of the key.', example: 'invoices' }),
    user: nameSchema.optional().meta({ description: 'For whom.' }),
    agent_id: agentIdSchema.optional(),
    session_id: idSchema.optional().meta({ description: 'The run that produces it; must exist.' }),
    metadata: z
      .record(z.string().min(1).max(128), z.unknown())
      .optional()
      .meta({ description: 'Any JSON object of up to 16 KB and 8 levels; filterable as metadata.<path>.' }),
  })
  .meta({ id: 'ArtifactInput' });

export type ReserveInput = z.output<typeof reserveSchema>;

export const uploadSchema = z
  .strictObject({
    size_bytes: uploadFields.size_bytes.optional(),
    content_type: contentTypeSchema.optional(),
    sha256: uploadFields.sha256,
    upload_method: uploadFields.upload_method,
  })
  .meta({ id: 'UploadInput' });

export type UploadInput = z.output<typeof uploadSchema>;

export const patchArtifactSchema = z
  .strictObject({
    metadata: z
      .record(z.string().min(1).max(128), z.unknown())
      .nullable()
      .optional()
      .meta({ description: 'A JSON merge patch (RFC 7396): null removes a key.' }),
    session_id: idSchema
      .nullable()
      .optional()
      .meta({ description: 'The run that produced it; must exist. null: none.' }),
  })
  .meta({ id: 'ArtifactPatch' });

export type PatchArtifactInput = z.output<typeof patchArtifactSchema>;

export const completeSchema = z
  .strictObject({
    parts: z
      .array(z.strictObject({ part_number: z.int().min(1).max(10_000), etag: z.string().max(128) }))
      .max(10_000)
      .optional()
      .meta({ description: 'As the store answered each part; checked against what it has. May be left out.' }),
  })
  .meta({ id: 'CompleteInput' });

export type CompleteInput = z.output<typeof completeSchema>;

const statusSchema = z.enum(['reserved', 'stored', 'deleting', 'deleted', 'abandoned', 'expired']).meta({
  description: 'reserved: awaits its bytes. abandoned: they did not come. expired: a lifecycle rule took it.',
});
const checksumSchema = z.enum(['verified', 'unverified']).meta({
  description:
    'verified: sha256 was computed here over the stored bytes. unverified: it is what the client said, if anything.',
});
const retentionSchema = z.object({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), retain_until: z.iso.datetime() });

export const artifactSchema = z
  .object({
    id: idSchema,
    bucket: z.string(),
    key: z.string(),
    name: z.string(),
    entity: z.string().optional(),
    user: z.string().optional(),
    agent_id: z.string().optional(),
    session_id: z.string().optional(),
    metadata: z.record(z.string(), z.unknown()),
    status: statusSchema,
    content_type: z.string(),
    size_bytes: z.int(),
    sha256: z.string().optional(),
    checksum: checksumSchema,
    version_id: z.string().optional(),
    etag: z.string().optional().meta({ description: 'Of the object store.' }),
    version_count: z.int(),
    legal_hold: z.boolean(),
    retention: retentionSchema.optional(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    stored_at: z.iso.datetime().optional(),
    revision: z.int(),
    upload: z
      .object({
        method: z.enum(['PUT', 'POST', 'multipart']),
        size_bytes: z.int(),
        part_size_bytes: z.int().optional(),
        expires_at: z.iso.datetime(),
      })
      .optional()
      .meta({ description: 'The upload under way.' }),
  })
  .meta({ id: 'Artifact' });

/** What clients see of an artifact. */
export type Artifact = {
  [Field in keyof z.output<typeof artifactSchema>]: z.output<typeof artifactSchema>[Field] | undefined;
};

const partSchema = z.object({
  part_number: z.int(),
  offset_bytes: z.int(),
  size_bytes: z.int(),
  url: z.string().meta({ description: 'PUT the bytes of the part here.' }),
});

export const uploadInstructionsSchema = z
  .object({
    method: z.enum(['PUT', 'POST', 'multipart']),
    url: z.string().optional(),
    headers: z.record(z.string(), z.string()).optional().meta({ description: 'To be sent as they are.' }),
    fields: z
      .record(z.string(), z.string())
      .optional()
      .meta({ description: 'For POST: fields of a multipart/form-data body, before the field `file`.' }),
    part_size_bytes: z.int().optional(),
    parts: z.array(partSchema).optional().meta({ description: 'Those that have not arrived; at most 1 000.' }),
    arrived_parts: z
      .array(z.object({ part_number: z.int(), size_bytes: z.int(), etag: z.string() }))
      .optional()
      .meta({ description: 'Those that have.' }),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'UploadInstructions' });

export type UploadInstructions = z.output<typeof uploadInstructionsSchema>;

export const artifactWithUploadSchema = artifactSchema
  .extend({ upload: uploadInstructionsSchema.optional() })
  .meta({ id: 'ArtifactWithUpload' });

export const versionSchema = z
  .object({
    version_id: z.string(),
    size_bytes: z.int(),
    content_type: z.string(),
    sha256: z.string().optional(),
    checksum: checksumSchema,
    etag: z.string(),
    created_at: z.iso.datetime(),
    current: z.boolean().meta({ description: 'Is it what the artifact is now?' }),
  })
  .meta({ id: 'ArtifactVersion' });

export const urlSchema = z
  .object({
    url: z.string(),
    expires_at: z.iso.datetime(),
    cached: z.boolean().meta({ description: 'Had it been signed for an earlier request?' }),
  })
  .meta({ id: 'DownloadUrl' });

export type DownloadUrl = z.output<typeof urlSchema>;

export const batchSchema = z
  .strictObject({
    ids: z.array(idSchema).min(1).max(MAX_BATCH),
    presign: z.boolean().default(true).meta({ description: 'With a download URL each.' }),
  })
  .meta({ id: 'ArtifactBatch' });

export const holdSchema = z
  .strictObject({
    legal_hold: z.boolean().optional(),
    retention: z
      .strictObject({ mode: z.enum(['GOVERNANCE', 'COMPLIANCE']), retain_until: z.iso.datetime({ offset: true }) })
      .optional()
      .meta({ description: 'Can be made longer, never shorter.' }),
  })
  .meta({ id: 'HoldInput' });

export type HoldInput = z.output<typeof holdSchema>;
