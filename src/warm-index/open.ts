import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../config.js';
import type { EmbeddingSpace } from '../embeddings/port.js';
import type { Metrics } from '../health/metrics.js';
import { digestOf } from '../http/digest.js';
import type { Database } from '../surreal/database.js';
import { sharedSecret } from '../surreal/secrets.js';
import { InProcessWarmIndex } from './warm-index.js';

interface Opening {
  db: Database;
  control: Database;
  space: EmbeddingSpace;
  metrics: Metrics;
  log: Logger;
}

/** A third of the memory of the machine, or of the container: while a snapshot is written, the index is there twice. */
function thirdOfMemory(): number {
  const constrained = process.constrainedMemory();
  return Math.floor(Math.min(constrained > 0 ? constrained : totalmem(), totalmem()) / 3);
}

/** The warm index, not yet started; undefined where it is not wanted. */
export async function openWarmIndex(
  { warmIndex, database, dataDir, language, faultPoint }: Config,
  { db, control, space, metrics, log }: Opening,
): Promise<InProcessWarmIndex | undefined> {
  if (warmIndex.mode === 'off') return undefined;
  // A secret of the installation: a database of the same name that was made anew has another.
  const secret = await sharedSecret(control, 'cursor');
  return new InProcessWarmIndex({
    ...{ db, metrics, log, faultPoint },
    identity: { database: digestOf([secret, database.namespace, database.database]), space: space.slug, language },
    dimensions: space.dimensions,
    directory: join(dataDir, 'warm-index', database.database),
    maxMemoryBytes: warmIndex.mode === 'on' ? undefined : warmIndex.maxMemoryBytes || thirdOfMemory(),
  });
}
