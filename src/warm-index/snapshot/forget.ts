import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { list, remove, removeWorking } from './directory.js';

/**
 * Leaves nothing on disk of an index that is not kept up to date: it would outlive what is deleted. Never throws: that must
 * not keep a node from its work.
 */
export function forgetSnapshots(directory: string, log: Logger): void {
  if (!existsSync(directory)) return;
  try {
    removeWorking(directory);
    const { snapshots, unfinished } = list(directory);
    for (const path of [...snapshots, ...unfinished]) remove(path);
  } catch (error) {
    log.warn({ err: error, directory }, 'the snapshot of the warm index could not be removed');
  }
}
