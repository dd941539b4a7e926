import { z } from 'zod';

/** Bounds of a document; each is refused with a code of its own. */
export const MAX_CONTENT_BYTES = 2_000_000;
export const MAX_PASSAGES = 512;
/** Of a passage of the caller. No embedder reads as much, and an answer may hold hundreds of passages. */
export const MAX_PASSAGE_LENGTH = 65_536;
/** Of a list of passages more are not even looked at. */
const MAX_PASSAGES_CHECKED = 4096;
export const MAX_METADATA_BYTES = 16_384;
export const MAX_METADATA_DEPTH = 8;
/** 2 MB of content as JSON with escapes, and 512 vectors. */
export const MAX_DOCUMENT_BODY_BYTES = 24_000_000;

/** Neither `.` nor `..`: clients resolve these in a path, so that what was stored under them could not be reached. */
export const idSchema = z
  .string()
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 of A-Z a-z 0-9 . _ -, and not . or ..')
  .meta({ description: 'UUIDv7, or your own.', example: 'quarterly-report-2026-q1' });

export const agentIdSchema = idSchema.meta({ description: 'Who acts.', example: 'analyst-1' });

const vectorSchema = z
  .array(z.number())
  .min(1)
  .max(4096)
  .meta({ description: 'float[dimensions] of the active space; it is stored at unit length.' });

/** Values are whatever JSON holds: the body has been parsed from it. */
const metadataSchema = z
  .record(z.string().min(1).max(128), z.unknown())
  .meta({ description: 'Any JSON object of up to 16 KB and 8 levels; filterable as metadata.<path>.' });

const languageSchema = z
  .string()
  .regex(/^[a-z]{2,20}$/)
  .meta({ description: 'A label to filter by; the analyzer is chosen for the whole database.', example: 'english' });

const documentFields = {
  title: z.string().max(1000).optional().meta({ description: 'Leads the first passage, so that it is searched too.' }),
  content: z.string().min(1).meta({ description: 'The text, up to 2 MB; split into at most 512 passages.' }),
  metadata: metadataSchema.optional(),
  language: languageSchema.optional(),
  agent_id: agentIdSchema.optional(),
  artifact_id: idSchema.optional().meta({
    description: 'The file that this text was taken from. Without content and passages the text is taken from it here.',
  }),
};

export const putSchema = z
  .strictObject({
    id: idSchema.optional(),
    ...documentFields,
    content: documentFields.content
      .optional()
      .meta({ description: 'The text; may be left out when passages or an artifact_id are given.' }),
    vector: vectorSchema.optional().meta({ description: 'float[dimensions]; stands for the whole document.' }),
    passages: z
      .array(z.strictObject({ text: z.string().min(1).max(MAX_PASSAGE_LENGTH), vector: vectorSchema.optional() }))
      .min(1)
      .max(MAX_PASSAGES_CHECKED)
      .optional()
      .meta({ description: 'Your own slices, at most 512; without them the content is split here.' }),
    require_embedding: z
      .boolean()
      .optional()
      .meta({ description: 'All or nothing: 503 and nothing stored when the vectors cannot be made now.' }),
  })
  .meta({ id: 'KnowledgeInput' });

export type PutInput = z.output<typeof putSchema>;

export const patchSchema = z
  .strictObject({
    title: z.string().max(1000).nullable().optional(),
    content: documentFields.content.optional(),
    metadata: metadataSchema
      .nullable()
      .optional()
      .meta({ description: 'A JSON merge patch (RFC 7396): null removes a key.' }),
    language: languageSchema.optional(),
    artifact_id: idSchema.nullable().optional(),
    require_embedding: z.boolean().optional(),
  })
  .meta({ id: 'KnowledgePatch' });

export type PatchInput = z.output<typeof patchSchema>;

export const embeddingStatusSchema = z.enum(['ready', 'pending', 'failed', 'none']).meta({
  description: 'pending: found by words now, by meaning as soon as the embedder answers. none: it has no vectors.',
});

export const storedSchema = z
  .object({
    id: idSchema,
    revision: z.int(),
    status: z.enum(['created', 'updated', 'unchanged']),
    embedding_status: embeddingStatusSchema,
    passage_count: z.int(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    audit_id: z.string().optional().meta({ description: 'The row of the audit log; absent when nothing changed.' }),
  })
  .meta({ id: 'KnowledgeStored' });

export const minioRefSchema = z
  .object({
    bucket: z.string(),
    key: z.string(),
    name: z.string(),
    version_id: z.string().optional(),
    size_bytes: z.int(),
    content_type: z.string(),
  })
  .meta({
    id: 'MinioRef',
    description: 'The file, as it was when it was named; filterable as minio_ref.size_bytes etc.',
  });

export type MinioRef = z.output<typeof minioRefSchema>;

export const documentSchema = z
  .object({
    id: idSchema,
    title: z.string().optional(),
    metadata: z.record(z.string(), z.unknown()),
    language: z.string(),
    agent_id: z.string().optional(),
    artifact_id: z.string().optional(),
    minio_ref: minioRefSchema.optional(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    revision: z.int(),
    passage_count: z.int(),
    size_bytes: z.int(),
    embedding_status: embeddingStatusSchema,
    embedding_error: z.string().optional(),
  })
  .meta({ id: 'Knowledge' });

export const documentWithContentSchema = documentSchema
  .extend({ content: z.string() })
  .meta({ id: 'KnowledgeWithContent' });

export type KnowledgeDocument = z.output<typeof documentSchema>;

/** One line of a bulk answer. */
export interface BulkResult {
  line: number;
  id?: string;
  status: 'stored' | 'unchanged' | 'failed';
  error?: { code: string; detail?: string; retryable: boolean; errors: { path: string; message: string }[] };
}
