import { copyFileSync, constants as files, renameSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { faultPoints } from '../../fault-points.js';
import { type Snapshot, writeSnapshot } from './write.js';

/** A snapshot whose files have been written already, each in the same directory. */
export interface WriterData {
  directory: string;
  snapshot: Omit<Snapshot, 'files' | 'passFaultPoint'>;
  /** `keep`: somebody goes on using the file, and a copy is taken. */
  files: { name: string; from: string; keep: boolean }[];
  faultPoint: string | undefined;
}

/**
 * A thread that writes one snapshot and ends: hashing and fsync take seconds when the machine is busy, and the thread of the
 * index has searches to answer.
 */
const { directory, snapshot, files: given, faultPoint } = workerData as WriterData;
writeSnapshot(directory, {
  ...snapshot,
  passFaultPoint: faultPoints(faultPoint),
  files: given.map(({ name, from, keep }) => ({
    name,
    write: (path) => (keep ? copyFileSync(from, path, files.COPYFILE_FICLONE) : renameSync(from, path)),
  })),
});
