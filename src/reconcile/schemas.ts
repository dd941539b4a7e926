import { z } from 'zod';

/** So many findings are kept with a run; all are counted. */
export const MAX_FINDINGS = 1000;

export const reconcileSchema = z
  .strictObject({
    apply: z.boolean().default(false).meta({ description: 'Settle what is found; else only report it.' }),
    checksums: z.boolean().default(false).meta({
      description: 'Read objects back and compare their SHA-256: every byte is read, so it takes its time.',
    }),
  })
  .meta({ id: 'ReconcileInput' });

const kindSchema = z
  .enum([
    'landed',
    'mismatch',
    'stuck_reservation',
    'stuck_delete',
    'ghost',
    'stray_version',
    'undead',
    'orphan',
    'foreign',
    'abandoned_parts',
    'corrupt',
    'failed',
  ])
  .meta({
    description:
      'orphan: an object without an artifact. ghost: an artifact without its object. failed: it could not be settled ' +
      'now. docs/operations.md lists all.',
  });

const findingSchema = z.object({
  kind: kindSchema,
  bucket: z.string(),
  key: z.string(),
  artifact_id: z.string().optional(),
  detail: z.string(),
  settled: z.boolean(),
});

export const reportSchema = z
  .object({
    id: z.string(),
    started_at: z.iso.datetime(),
    finished_at: z.iso.datetime(),
    apply: z.boolean(),
    checksums: z.boolean(),
    objects_seen: z.int(),
    pointers_seen: z.int(),
    objects_digested: z.int(),
    counts: z
      .partialRecord(kindSchema, z.object({ found: z.int(), settled: z.int() }))
      .meta({ description: 'By kind; those of which nothing was found are missing.' }),
    reported: z.int().meta({ description: 'Objects of others, which are only reported.' }),
    left: z.int().meta({ description: 'Found, neither settled nor only to be reported. 0: both sides agree.' }),
    findings: z.array(findingSchema).max(MAX_FINDINGS),
    truncated: z.boolean().meta({ description: 'There are more findings than are shown.' }),
  })
  .meta({ id: 'ReconcileReport' });

export const statusSchema = z
  .object({ run: reportSchema.nullable().meta({ description: 'The last that was finished.' }), running: z.boolean() })
  .meta({ id: 'ReconcileStatus' });

export type Finding = z.output<typeof findingSchema>;
export type ReconcileReport = z.output<typeof reportSchema>;
export type ReconcileStatus = z.output<typeof statusSchema>;
/** Of a run that is not finished. */
export type Unfinished = Omit<ReconcileReport, 'finished_at'>;
