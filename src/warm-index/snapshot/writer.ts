import { copyFileSync, constants as files, renameSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { faultPoints } from '../../fault-points.js';
import type { Searched } from '../../search/compile.js';
import { compactedParts } from '../compacted-parts.js';
import { partsOfCorpus, putPartsOfCorpus } from './parts-of-corpus.js';
import { type Snapshot, writeSnapshot } from './write.js';

/** A snapshot whose files have been written already, each in the same directory. */
export interface WriterData {
  directory: string;
  snapshot: Omit<Snapshot, 'files' | 'passFaultPoint'>;
  /** `keep`: somebody goes on using the file, and a copy is taken. */
  files: { name: string; from: string; keep: boolean }[];
  /** Corpora whose parts hold what is dead. */
  withDead: Searched[];
  faultPoint: string | undefined;
}

/**
 * A thread that writes one snapshot and ends: leaving out what is dead, hashing and fsync take seconds, and the thread of the
 * index has searches to answer.
 */
const { directory, snapshot, files: given, withDead, faultPoint } = workerData as WriterData;
for (const of of withDead) putPartsOfCorpus(snapshot.parts, of, compactedParts(partsOfCorpus(snapshot.parts, of)));
writeSnapshot(directory, {
  ...snapshot,
  passFaultPoint: faultPoints(faultPoint),
  files: given.map(({ name, from, keep }) => ({
    name,
    write: (path) => (keep ? copyFileSync(from, path, files.COPYFILE_FICLONE) : renameSync(from, path)),
  })),
});
