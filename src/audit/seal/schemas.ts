import { z } from 'zod';
import { auditRowSchema } from '../schemas.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex');

export const sealSchema = z
  .object({
    number: z.int().min(1),
    format: z.int(),
    previous_hash: hash,
    skip_hash: hash.meta({ description: 'Hash of the seal whose number is this one without its lowest set bit.' }),
    first_id: z.string(),
    last_id: z.string(),
    row_count: z.int().min(1),
    root: hash.meta({ description: 'Root of the Merkle tree over its rows, as RFC 6962 builds it.' }),
    leaves_digest: hash,
    sealed_through: z.string().meta({ description: 'All rows up to this id are sealed, but for late ones.' }),
    sealed_at: z.string(),
    late: z.boolean().meta({ description: 'Its rows appeared after later ones had been sealed.' }),
    hash: hash.meta({ description: 'Of all other fields. Publish it: it stands for all that was sealed so far.' }),
  })
  .meta({ id: 'AuditSeal' });

/** As a key that is bound to an agent sees it: without the ids of rows, which are those of all agents. */
export const listedSealSchema = sealSchema.partial({ first_id: true, last_id: true, sealed_through: true }).meta({
  id: 'ListedAuditSeal',
  description: 'Keys that are bound to an agent do not see first_id, last_id and sealed_through.',
});

export const sealsQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).optional().meta({ description: 'Of a page; default 50.' }),
  cursor: z.string().max(2000).optional(),
  format: z
    .enum(['json', 'ndjson'])
    .default('json')
    .meta({
      description:
        'ndjson: all seals with their leaves as a stream, oldest first, for a verification elsewhere. Not for keys that are ' +
        'bound to an agent.',
    }),
});

export const sealPageSchema = z.object({ seals: z.array(listedSealSchema), cursor: z.string().optional() });

export const proofSchema = z
  .object({
    row: auditRowSchema,
    leaf: hash.meta({ description: 'Hash of the row.' }),
    index: z.int().min(0).meta({ description: 'Place of the row in its seal.' }),
    path: z.array(hash).meta({ description: 'From the leaf to the root, lowest first.' }),
    root: hash,
    seals: z.array(sealSchema).meta({ description: 'From the seal that holds the row to the newest.' }),
  })
  .meta({ id: 'AuditProof' });

const time = z.iso.datetime({ offset: true });

export const verifyQuery = z.object({
  from: time.optional().meta({ description: 'Rows from about this time on: whole seals.' }),
  to: time.optional().meta({ description: 'Rows up to about this time.' }),
  cursor: z.string().max(2000).optional(),
});

export const verifySchema = z
  .object({
    ok: z.boolean().meta({ description: 'No fault in this page.' }),
    seals: z.int(),
    rows: z.int(),
    late_rows: z.int().meta({ description: 'Of those, the ones that appeared late.' }),
    unsealed_rows: z.int().meta({ description: 'Not sealed yet; those after the newest seal are counted last.' }),
    faults: z
      .array(
        z.object({
          kind: z.enum(['changed', 'missing', 'inserted', 'chain_broken', 'seal_changed']),
          seal: z.int().optional(),
          row: z.string().optional().meta({ description: 'Not for keys that are bound to an agent.' }),
        }),
      )
      .meta({ description: 'At most 100.' }),
    truncated: z.boolean().meta({ description: 'There are more faults.' }),
    head: z
      .object({ number: z.int(), hash })
      .optional()
      .meta({ description: 'The newest seal: compare it with what was published.' }),
    cursor: z.string().optional().meta({ description: 'There is more to verify; counts are those of one page.' }),
  })
  .meta({ id: 'AuditVerification' });
