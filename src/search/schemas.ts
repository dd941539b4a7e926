import { z } from 'zod';
import { artifactSchema } from '../artifacts/schemas.js';
import { MAX_BODY_CURSOR_CHARS } from '../http/cursor.js';
import { documentSchema } from '../knowledge/schemas.js';
import { lineageSchema, MAX_HIT_DEPTH } from '../lineage/schemas.js';
import { filterSchema } from './filter/schema.js';

export const MAX_LIMIT = 100;
/** How far a search can be paged. */
export const MAX_WINDOW = 1_000;
export const MAX_CANDIDATES = 1_000;

const weightSchema = z.number().min(0).max(1000);
const fusionSchema = z.enum(['auto', 'rrf', 'weighted']);

/** What a search over documents and one over decisions take. */
export const searchSchema = z.strictObject({
  query: z.string().min(1).max(10_000).optional().meta({ description: 'Words, or a sentence.', example: 'coral reef' }),
  vector: z
    .array(z.number())
    .min(1)
    .max(4096)
    .optional()
    .meta({ description: 'float[dimensions]; without it the query is embedded here.' }),
  mode: z
    .enum(['hybrid', 'vector', 'text'])
    .optional()
    .meta({ description: 'Default: hybrid where there are words and a vector, else the one that there is.' }),
  fusion: fusionSchema.default('auto').meta({
    description:
      'How hybrid joins its two lists: by rank (`rrf`), by scores stretched to 0 … 1 (`weighted`), or by scores in ' +
      'standard deviations (`auto`), with weights that come from how far vectors and words can be trusted in this ' +
      'corpus and for this query. All pages of an answer have the weights of the first.',
  }),
  weights: z.strictObject({ vector: weightSchema, text: weightSchema }).optional().meta({
    description: 'Default .6 / .4 for weighted, 1 / 1 for rrf. With auto they stand in for those that it would find.',
  }),
  filter: filterSchema.optional(),
  match: z
    .enum(['any', 'all'])
    .default('any')
    .meta({ description: 'Does a passage hold any of the words, or all of them?' }),
  require: z
    .array(z.enum(['text', 'vector']))
    .max(2)
    .optional()
    .meta({ description: 'Legs in which a hit must match; both: an intersection.' }),
  min_score: z
    .number()
    .min(-1)
    .max(1)
    .optional()
    .meta({ description: 'Cosine below which a vector does not match; .75 is a usual choice.' }),
  limit: z.int().min(1).max(MAX_LIMIT).default(10),
  candidates: z
    .int()
    .min(1)
    .max(MAX_CANDIDATES)
    .optional()
    .meta({ description: 'Depth of each leg before fusion; default 50, or three times the limit.' }),
  lineage: z
    .strictObject({ depth: z.int().min(1).max(MAX_HIT_DEPTH).default(MAX_HIT_DEPTH) })
    .optional()
    .meta({
      description:
        'With each hit what led to it and what came of it, so many edges away: its file and session, the decisions ' +
        'that it supports and their outcomes. Needs lineage:read.',
    }),
  after: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z_[0-9a-f-]{36}$/, 'must be an audit_id')
    .optional()
    .meta({
      description:
        'The audit_id of a write: the search sees that write, whichever node made it. Without it a search sees what ' +
        'its own node has written, and what others have within a second.',
    }),
  cursor: z
    .string()
    .max(MAX_BODY_CURSOR_CHARS)
    .optional()
    .meta({
      description:
        'From the page before, with all else as it was there. What earlier pages gave is not given again, and nothing is ' +
        'left out for what was deleted or changed since. It grows with each page, to 11 000 characters.',
    }),
  highlight: z.boolean().default(false).meta({ description: 'Mark the words in the passages with <b>.' }),
  explain: z.boolean().default(false).meta({ description: 'Add the statements, counts and times to the plan.' }),
});

export type SearchInput = z.output<typeof searchSchema>;

export const searchDocumentsSchema = searchSchema
  .extend({
    artifacts: z
      .strictObject({ presign: z.boolean().default(true).meta({ description: 'With a download URL each.' }) })
      .optional()
      .meta({ description: 'With each hit that names a file, the file as it is now. Needs artifacts:read.' }),
  })
  .meta({ id: 'SearchInput' });

const scoreSchema = z.number();

/** What a hit says beside the document that it is. */
export const matchFields = {
  score: scoreSchema.meta({ description: 'After fusion; comparable within one answer.' }),
  scores: z.object({
    vector: scoreSchema.optional().meta({ description: 'Cosine of the best passage.' }),
    text: scoreSchema.optional().meta({ description: 'BM25 of the best passage.' }),
  }),
  passages: z.array(z.object({ ordinal: z.int(), text: z.string(), highlight: z.string().optional() })),
  lineage: lineageSchema.optional().meta({ description: 'When it was asked for; at most 50 nodes and 100 edges.' }),
};

const artifactOfHitSchema = artifactSchema
  .extend({
    download: z
      .object({ url: z.string(), expires_at: z.iso.datetime() })
      .optional()
      .meta({ description: 'Of what is stored: needs no key, until it expires.' }),
  })
  .meta({ id: 'HitArtifact' });

export const hitSchema = documentSchema
  .extend(matchFields)
  .extend({ artifact: artifactOfHitSchema.optional().meta({ description: 'When `artifacts` was asked for.' }) })
  .meta({ id: 'SearchHit' });

export type Hit<Document> = Document & z.output<z.ZodObject<typeof matchFields>>;

const legSchema = z.object({
  leg: z.enum(['text', 'vector']),
  from: z
    .enum(['memory', 'disk', 'database'])
    .meta({ description: 'The warm index (disk: its vectors did not fit into its memory), or the database.' }),
  method: z.enum(['index', 'exact', 'scan']),
  found: z.int(),
  duration_ms: z.number().optional(),
});

const trustSchema = z
  .object({
    vector: z.number().meta({ description: 'Do vectors find the neighbours that words find? 0 is noise.' }),
    text: z.number().meta({ description: 'Do the words of a passage find its document? 1: always.' }),
    documents: z.int().meta({ description: 'Documents there were when this was measured; 0: not measured yet.' }),
    probes: z.int().meta({ description: 'Passages that it was measured by.' }),
  })
  .meta({ description: 'What fusion `auto` made its weights of; absent where they were given, and on later pages.' });

export const planSchema = z
  .object({
    mode: z.enum(['hybrid', 'vector', 'text']),
    fusion: fusionSchema.optional(),
    weights: z.object({ vector: z.number(), text: z.number() }).optional(),
    trust: trustSchema.optional(),
    words: z.array(z.string()),
    candidates: z.int(),
    legs: z.array(legSchema),
    degraded: z.string().optional().meta({ description: 'Why a leg was left out, as an error code.' }),
    incomplete: z
      .literal(true)
      .optional()
      .meta({
        description:
          'Present where more may match: so many hold the words, and so few of them what else is required, that the ' +
          'search gave up. A filter, or rarer words, find the rest.',
      }),
    statements: z
      .array(
        z.object({
          leg: z.enum(['text', 'vector']),
          text: z.string(),
          params: z.record(z.string(), z.unknown()),
          rows: z.int(),
          duration_ms: z.number(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'SearchPlan' });

export const searchAnswerSchema = z
  .object({ hits: z.array(hitSchema), cursor: z.string().optional(), plan: planSchema })
  .meta({ id: 'SearchAnswer' });

export type SearchPlan = z.output<typeof planSchema>;
