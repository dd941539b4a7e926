import { renameSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { faultPoints } from '../../fault-points.js';
import { type Snapshot, writeSnapshot } from './write.js';

/** A snapshot whose files have been written already, each to a path of its own in the same directory. */
export interface WriterData {
  directory: string;
  snapshot: Omit<Snapshot, 'files' | 'passFaultPoint'>;
  files: { name: string; from: string }[];
  faultPoint: string | undefined;
}

/**
 * A thread that writes one snapshot and ends: hashing and fsync take seconds when the machine is busy, and the thread of the
 * index has searches to answer.
 */
const { directory, snapshot, files, faultPoint } = workerData as WriterData;
writeSnapshot(directory, {
  ...snapshot,
  passFaultPoint: faultPoints(faultPoint),
  files: files.map(({ name, from }) => ({ name, write: (path) => renameSync(from, path) })),
});
