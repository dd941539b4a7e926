import { z } from 'zod';
import { pageQuery } from '../http/paging.js';

const statusSchema = z.enum(['pending', 'applied', 'ignored', 'dead']);

export const listSchema = z.object({
  status: statusSchema.default('dead').meta({ description: 'dead: what could not be read, or not be applied.' }),
  outcome: z.string().max(64).optional().meta({ description: 'What came of it.', example: 'unknown_object' }),
  bucket: z.string().max(255).optional(),
  ...pageQuery,
});

export type ListInput = z.output<typeof listSchema>;

export const eventSchema = z
  .object({
    id: z.string(),
    bucket: z.string().optional(),
    key: z.string().optional(),
    version_id: z.string().optional(),
    sequencer: z.string().optional().meta({ description: 'Orders the events of one object; hexadecimal.' }),
    event_name: z.string().optional().meta({ example: 's3:ObjectCreated:Put' }),
    event_time: z.iso.datetime().optional(),
    etag: z.string().optional(),
    size_bytes: z.int().optional(),
    content_type: z.string().optional(),
    lifecycle: z.boolean().meta({ description: 'Did a lifecycle rule cause it?' }),
    user_agent: z.string().optional(),
    received_at: z.iso.datetime(),
    status: statusSchema,
    outcome: z.string().optional(),
    attempts: z.int().meta({ description: 'How often it failed for a reason of its own.' }),
    error: z.string().optional().meta({ description: 'Code of the last failure.' }),
    raw: z.string().optional().meta({ description: 'The first 16 KB of a letter that could not be read.' }),
  })
  .meta({ id: 'BucketEvent' });

/** An event as it is stored, and as clients see it. */
export type StoredEvent = z.output<typeof eventSchema>;

export const eventPageSchema = z
  .object({ events: z.array(eventSchema), cursor: z.string().optional() })
  .meta({ id: 'BucketEventPage' });
