import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pino } from 'pino';
import { putContent } from '../../../src/artifacts/put-content.js';
import { reserveArtifact } from '../../../src/artifacts/reserve.js';
import type { ArtifactRow } from '../../../src/artifacts/row.js';
import { reserveSchema } from '../../../src/artifacts/schemas.js';
import { systemContext } from '../../../src/artifacts/system.js';
import { readConfig } from '../../../src/config.js';
import type { Services } from '../../../src/context.js';
import { createMetrics } from '../../../src/health/metrics.js';
import { CursorSigner } from '../../../src/http/cursor.js';
import { counted } from '../../../src/objects/counted.js';
import { Catalog } from '../../../src/objects/disk/catalog.js';
import { DiskStore } from '../../../src/objects/disk/store.js';
import type { ObjectName, StoredObject } from '../../../src/objects/port.js';
import { reconcile } from '../../../src/reconcile/reconcile.js';
import type { Database } from '../../../src/surreal/database.js';
import { NO_WARM_INDEX } from '../../../src/warm-index/port.js';
import { createAnalyzer } from '../../../src/warm-index/text/analyzer.js';
import { temporaryDirectory } from '../../objects/support/rigs.js';
import { openEngine } from './engine.js';

/** As the product names them, so that keys are what a test says: `{name}` alone. */
const BUCKETS = 'agents-artifacts?key={name},documents?key={entity}/{name}';

/** A node on a real database and a real directory, whose clock is moved by hand. */
export async function openRig(env: Record<string, string> = {}) {
  const config = readConfig({ MINIO_BUCKETS: BUCKETS, ...env });
  const { db, control } = await openEngine();
  const directory = temporaryDirectory();
  let nowMs = Date.parse('2026-03-01T12:00:00Z');
  const clock = () => new Date(nowMs);
  const secret = randomBytes(32);
  const root = join(directory.path, 'objects');
  const disk = await DiskStore.open({ root, buckets: config.objects.buckets, secret, publicUrl: () => '', clock });
  const requests: string[] = [];
  const lines: Record<string, unknown>[] = [];
  const services: Services = {
    ...{ config, db, control, clock, lifecycle: [], metrics: createMetrics(), passFaultPoint: () => undefined },
    extractor: {
      extract: () => Promise.reject(new Error('no test here extracts')),
    } as unknown as Services['extractor'],
    openSignedUrl: undefined,
    live: {} as Services['live'],
    warmIndex: NO_WARM_INDEX,
    legTrust: new Map(),
    analyzer: createAnalyzer('english'),
    bucketEvents: {} as Services['bucketEvents'],
    objects: counted(disk, (operation) => requests.push(operation)),
    embedder: {
      available: false,
      space: { slug: 'test_4', provider: 'caller', model: 'test', dimensions: 4, distance: 'cosine' },
      embed: async () => [],
    },
    cursors: new CursorSigner({ secret, clock, ttlSeconds: 3600 }),
    log: pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  };
  const put = ({ bucket, key }: ObjectName, text: string) =>
    disk.put({ bucket, key }, Readable.from([Buffer.from(text)], { objectMode: false }), {
      size_bytes: Buffer.byteLength(text),
      content_type: 'text/plain',
    });
  const bucket = 'agents-artifacts';
  const signal = new AbortController().signal;
  return {
    ...{ services, disk, db, bucket, put, lines },
    /** Requests to the object store by name, since the last time this was asked. */
    requests: () => requests.splice(0),
    advance: (seconds: number) => {
      nowMs += seconds * 1000;
    },
    row: (id: string) => db.query<ArtifactRow>('artifacts/get', { id }),
    /** Through the product's own verbs; the key is the id. */
    reserve: (id: string, size_bytes: number, more: Record<string, unknown> = {}) =>
      reserveArtifact(
        systemContext(services, 'reconcile'),
        reserveSchema.parse({ id, bucket, name: id, size_bytes, content_type: 'text/plain', ...more }),
      ),
    upload: (id: string, text: string) =>
      putContent(systemContext(services, 'reconcile'), id, {
        body: Readable.from([Buffer.from(text)], { objectMode: false }),
        size_bytes: Buffer.byteLength(text),
        ...{ content_type: 'text/plain', sha256: undefined, expectedRevision: undefined },
      }),
    /** All versions, without a word to anybody. */
    loseObject: async (name: ObjectName) => {
      for (const { version_id } of await disk.versions(name)) await disk.delete({ ...name, version_id });
    },
    /** Behind the store's own back. */
    spoilBytes: async (name: ObjectName, version_id: string, text: string) => {
      const path = new Catalog(root).bytesPath(name, version_id);
      await rm(path);
      await writeFile(path, text);
    },
    /** Of objects that are there, past the product's verbs. */
    writePointers: (bucket: string, pointers: PlainPointer[]) => writePointers(db, bucket, pointers, clock()),
    look: (more: { checksums?: boolean } = {}) => reconcile(services, { apply: false, signal, ...more }),
    settle: (more: { checksums?: boolean; resume?: boolean } = {}) =>
      reconcile(services, { apply: true, signal, ...more }),
    close: async () => {
      await disk.close();
      directory.remove();
    },
  };
}

export interface PlainPointer extends StoredObject {
  id: string;
  key: string;
  size_bytes: number;
  sha256?: string;
}

async function writePointers(db: Database, bucket: string, pointers: PlainPointer[], now: Date): Promise<void> {
  for (let at = 0; at < pointers.length; at += 500)
    await db.run({
      text: `
        INSERT INTO minio_objects $rows.map(|$row| { id: [$bucket, $row.key], artifact_id: $row.id }) RETURN NONE;
        INSERT INTO minio_references $rows.map(|$row| object::extend($row, {
          bucket: $bucket, name: 'n', metadata: {}, status: 'stored', content_type: 'text/plain',
          checksum: 'verified', version_count: 1, legal_hold: false, created_at: $now, updated_at: $now,
          stored_at: $now, revision: 1, state_digest: ''
        })) RETURN NONE`,
      params: { bucket, rows: pointers.slice(at, at + 500), now },
    });
}

export type Rig = Awaited<ReturnType<typeof openRig>>;
