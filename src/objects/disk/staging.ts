import { constants, createWriteStream } from 'node:fs';
import { copyFile, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { v7 as uuidv7 } from 'uuid';
import { AcervoError } from '../../errors/error.js';
import { CheckedBody } from '../checked-body.js';
import type { PutOptions } from '../port.js';
import { ifThere, onDisk } from './files.js';

/** Bytes that are complete and durable, though not part of the store yet. */
export interface StagedBytes {
  path: string;
  size_bytes: number;
  sha256: string;
}

/**
 * Writes a body to a file of its own under `directory`, checks it, hands it to `work`, and removes it unless `work` has
 * moved it away.
 * @throws AcervoError `artifact:size_mismatch`, `artifact:checksum_mismatch`, `objects:unavailable` (disk full or broken)
 */
export async function withStagedBytes<Result>(
  directory: string,
  body: Readable,
  expected: Pick<PutOptions, 'size_bytes' | 'sha256'>,
  work: (staged: StagedBytes) => Promise<Result>,
): Promise<Result> {
  const path = join(directory, uuidv7());
  const checked = new CheckedBody(expected);
  try {
    return await onDisk(async () => {
      // `flush` is fsync before close.
      await pipeline(body, checked, createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }));
      return work({ path, size_bytes: expected.size_bytes, sha256: checked.sha256 });
    });
  } finally {
    await rm(path, { force: true });
  }
}

/**
 * Copies a file of the store, durably, hands the copy to `work`, and removes it unless `work` has moved it away.
 * @throws AcervoError `artifact:not_found`, `objects:unavailable` (disk full or broken)
 */
export async function withStagedCopy<Result>(
  directory: string,
  source: string,
  work: (path: string) => Promise<Result>,
): Promise<Result> {
  const path = join(directory, uuidv7());
  try {
    return await onDisk(async () => {
      // On file systems that can, both share their bytes.
      const copied = await ifThere(copyFile(source, path, constants.COPYFILE_FICLONE).then(() => true));
      if (copied === undefined) throw new AcervoError('artifact:not_found');
      const handle = await open(path, 'r+');
      await handle.sync().finally(() => handle.close());
      return work(path);
    });
  } finally {
    await rm(path, { force: true });
  }
}
