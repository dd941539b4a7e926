import { statfs } from 'node:fs/promises';
import { z } from 'zod';
import type { Services } from '../context.js';
import { VERSION } from '../version.js';
import { databaseReady, objectsReady } from './ready.js';

/** Detail for an operator. `data` is the file system of the data directory, null when it cannot be read. */
export const healthReportSchema = z
  .object({
    status: z.enum(['ok', 'degraded']),
    version: z.string(),
    uptime_seconds: z.number(),
    database: z.object({
      ready: z.boolean(),
      kind: z.enum(['embedded', 'server']),
      version: z.string(),
      vector_index: z.enum(['hnsw', 'diskann', 'none']),
    }),
    objects: z.object({ ready: z.boolean(), driver: z.enum(['disk', 's3']), buckets: z.array(z.string()) }),
    embedder: z.object({
      available: z.boolean(),
      space: z.object({
        slug: z.string(),
        provider: z.string(),
        model: z.string(),
        dimensions: z.int(),
        distance: z.literal('cosine'),
      }),
      usage: z.object({
        requests: z.int(),
        failures: z.int(),
        retries: z.int(),
        texts: z.int(),
        tokens: z.int(),
      }),
    }),
    warm_index: z.object({
      state: z
        .enum(['off', 'building', 'ready', 'declined', 'failed'])
        .meta({ description: 'declined: it would not fit into its memory. Unless it is ready the database answers.' }),
      documents: z.object({ document: z.int(), decision: z.int() }).optional(),
      vectors: z.int().optional(),
      indexed_vectors: z.int().optional().meta({
        description:
          'Those that its graph holds. From 10 000 vectors on it grows to all of them; what it lacks is compared.',
      }),
      memory_bytes: z.int().optional(),
      max_memory_bytes: z.int().optional(),
      disk_bytes: z.int().optional().meta({
        description: 'Of vectors that did not fit into its memory: they lie in a file, their graph in memory.',
      }),
      lag_seconds: z.number().optional(),
    }),
    memory: z.object({ rss_bytes: z.int(), heap_used_bytes: z.int(), external_bytes: z.int() }),
    data: z.object({ free_bytes: z.int(), size_bytes: z.int() }).nullable(),
  })
  .meta({ id: 'HealthReport' });

export type HealthReport = z.infer<typeof healthReportSchema>;

async function fileSystemOf(directory: string): Promise<HealthReport['data']> {
  try {
    const { bavail, blocks, bsize } = await statfs(directory);
    return { free_bytes: bavail * bsize, size_bytes: blocks * bsize };
  } catch {
    // A node with a database server may have no data directory at all.
    return null;
  }
}

/** What this node is and how it is doing; `degraded` when its database or its object store is away. Never throws. */
export async function reportHealth(services: Services): Promise<HealthReport> {
  const { dataDir, objects } = services.config;
  const [ready, stored, data, warm_index] = await Promise.all([
    databaseReady(services),
    objectsReady(services),
    fileSystemOf(dataDir),
    services.warmIndex.report(),
  ]);
  const { kind, version, vectorIndex } = services.db.engine;
  const { rss, heapUsed, external } = process.memoryUsage();
  return {
    status: ready && stored ? 'ok' : 'degraded',
    version: VERSION,
    uptime_seconds: Math.round(process.uptime()),
    database: { ready, kind, version, vector_index: vectorIndex },
    objects: {
      ready: stored,
      driver: objects.s3 === undefined ? 'disk' : 's3',
      buckets: objects.buckets.map(({ name }) => name),
    },
    embedder: {
      available: services.embedder.available,
      space: services.embedder.space,
      usage: { ...services.metrics.embeddingUsage },
    },
    warm_index,
    memory: { rss_bytes: rss, heap_used_bytes: heapUsed, external_bytes: external },
    data,
  };
}
