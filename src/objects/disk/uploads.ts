import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import { AcervoError } from '../../errors/error.js';
import {
  type ListedPart,
  MAX_LIST_LIMIT,
  MIN_PART_BYTES,
  type ObjectName,
  type PutOptions,
  type UnfinishedUpload,
  type Upload,
  type UploadPart,
} from '../port.js';
import { ifThere, makeDirectory, move, onDisk, writeNew } from './files.js';
import { Mutex } from './mutex.js';
import { type StagedBytes, withStagedBytes } from './staging.js';

const ABOUT = 'upload.json';
const UPLOAD_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface About extends ObjectName {
  content_type: string;
  started_at: string;
}

interface PartFile extends ListedPart {
  path: string;
}

/** Parts of unfinished uploads: a folder each, with `upload.json` and a file `<number>.<uuid v7>.<etag>` a part. */
export class Uploads {
  /** By their ids. */
  private readonly mutex = new Mutex();
  private readonly root: string;

  constructor(
    root: string,
    private readonly staged: string,
  ) {
    this.root = join(root, 'uploads');
  }

  open(): Promise<void> {
    return makeDirectory(this.root);
  }

  async start(about: About): Promise<Upload> {
    const { bucket, key } = about;
    const upload_id = uuidv7();
    const whole = join(this.staged, upload_id);
    await onDisk(async () => {
      await mkdir(whole, { mode: 0o700 });
      await writeNew(join(whole, ABOUT), JSON.stringify(about));
      await move(whole, join(this.root, upload_id));
    });
    return { bucket, key, upload_id };
  }

  /** @throws AcervoError `artifact:upload_not_found`, also when the id belongs to another key */
  private async about({ bucket, key, upload_id }: Upload): Promise<About> {
    const about = UPLOAD_ID.test(upload_id) ? await this.read(upload_id) : undefined;
    if (about?.bucket !== bucket || about.key !== key) throw new AcervoError('artifact:upload_not_found');
    return about;
  }

  /** Takes a part; what was sent as this number before goes away. @throws AcervoError as `ObjectStore.putPart` does */
  async put(
    upload: Upload,
    part_number: number,
    body: Readable,
    options: Pick<PutOptions, 'size_bytes' | 'sha256'>,
  ): Promise<{ etag: string; sha256: string }> {
    await this.about(upload);
    return withStagedBytes(this.staged, body, options, async (staged) => {
      await this.mutex.run(upload.upload_id, () => this.take(upload, part_number, staged));
      return { etag: staged.sha256, sha256: staged.sha256 };
    });
  }

  /** Makes one of these parts, hands it to `add`, and forgets the upload. @throws AcervoError as `ObjectStore.completeUpload` does */
  async complete<Result>(
    upload: Upload,
    parts: UploadPart[],
    add: (whole: { path: string; size_bytes: number; content_type: string; etag: string }) => Promise<Result>,
  ): Promise<Result> {
    return this.mutex.run(upload.upload_id, async () => {
      const { content_type } = await this.about(upload);
      const files = await this.chosen(upload, parts);
      if (files.length === 0) throw new AcervoError('artifact:part_invalid', { detail: 'An upload has parts.' });
      const size_bytes = files.reduce((sum, file) => sum + file.size_bytes, 0);
      const stored = await withStagedBytes(this.staged, concatenated(files), { size_bytes }, ({ path, sha256 }) =>
        add({ path, size_bytes, content_type, etag: sha256 }),
      );
      await this.drop(upload);
      return stored;
    });
  }

  /** What is not there is no error. */
  async abort(upload: Upload): Promise<void> {
    await this.mutex.run(upload.upload_id, async () => {
      const mine = await this.about(upload).catch(() => undefined);
      if (mine !== undefined) await this.drop(upload);
    });
  }

  async parts(upload: Upload): Promise<PartFile[]> {
    await this.about(upload);
    const folder = join(this.root, upload.upload_id);
    const newest = new Map<number, PartFile>();
    for (const name of ((await ifThere(readdir(folder))) ?? []).toSorted()) {
      if (name === ABOUT) continue;
      const [number = '', , etag = ''] = name.split('.');
      const found = await ifThere(stat(join(folder, name)));
      if (found === undefined) continue;
      const part_number = Number(number);
      newest.set(part_number, { part_number, etag, size_bytes: found.size, path: join(folder, name) });
    }
    return [...newest.values()];
  }

  /** The oldest first, as their ids sort. */
  async unfinished(bucket: string, startedBefore: Date): Promise<UnfinishedUpload[]> {
    const found: UnfinishedUpload[] = [];
    for (const upload_id of (await readdir(this.root)).toSorted()) {
      const about = await this.read(upload_id);
      if (about?.bucket !== bucket || new Date(about.started_at) >= startedBefore) continue;
      found.push({ bucket, key: about.key, upload_id, started_at: about.started_at });
      if (found.length === MAX_LIST_LIMIT) break;
    }
    return found;
  }

  private async take({ upload_id }: Upload, part_number: number, bytes: StagedBytes): Promise<void> {
    const folder = join(this.root, upload_id);
    const number = String(part_number).padStart(5, '0');
    const name = `${number}.${uuidv7()}.${bytes.sha256}`;
    // Not `move`: that would make the folder of an upload that was just aborted.
    const moved = await ifThere(rename(bytes.path, join(folder, name)).then(() => true));
    if (moved === undefined) throw new AcervoError('artifact:upload_not_found');
    for (const other of (await ifThere(readdir(folder))) ?? [])
      if (other.startsWith(`${number}.`) && other < name) await rm(join(folder, other), { force: true });
  }

  /** The files of these parts, in order. @throws AcervoError `artifact:upload_not_found`, `artifact:part_invalid` */
  private async chosen(upload: Upload, parts: UploadPart[]): Promise<PartFile[]> {
    const there = new Map((await this.parts(upload)).map((part) => [part.part_number, part]));
    return parts.map(({ part_number, etag }, index) => {
      const part = there.get(part_number);
      const inOrder = part_number > (parts[index - 1]?.part_number ?? 0);
      const bigEnough = index === parts.length - 1 || (part?.size_bytes ?? 0) >= MIN_PART_BYTES;
      if (part?.etag !== etag || !inOrder || !bigEnough)
        throw new AcervoError('artifact:part_invalid', { detail: `Part ${part_number}.` });
      return part;
    });
  }

  private async drop(upload: Upload): Promise<void> {
    const aside = join(this.staged, uuidv7());
    // Out of the way in one step, so that no half of an upload is ever seen.
    await ifThere(rename(join(this.root, upload.upload_id), aside));
    await rm(aside, { recursive: true, force: true });
  }

  private async read(upload_id: string): Promise<About | undefined> {
    const text = await ifThere(readFile(join(this.root, upload_id, ABOUT), 'utf8'));
    return text === undefined ? undefined : (JSON.parse(text) as About);
  }
}

/** The bytes of files, one after the other. */
function concatenated(files: { path: string }[]): Readable {
  return Readable.from(
    (async function* () {
      for (const { path } of files) yield* createReadStream(path);
    })(),
    { objectMode: false },
  );
}
