import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { AcervoError } from '../../../src/errors/error.js';
import type { ListedVersion, ObjectName, ObjectStat, ObjectStore, ObjectVersion } from '../../../src/objects/port.js';

type Kept = ListedVersion & { bytes: Buffer };

/** Versions of objects in memory, and only what the rules about events ask of a store. */
export class FakeStore {
  /** Each request, as `stat bucket/key`. */
  readonly requests: string[] = [];
  /** What goes wrong before a request is answered. */
  trouble: ((method: string, name: ObjectName) => void) | undefined;
  readonly #objects = new Map<string, Kept[]>();

  /** Newest first. */
  #of({ bucket, key }: ObjectName): Kept[] {
    const id = `${bucket}/${key}`;
    const found = this.#objects.get(id) ?? [];
    this.#objects.set(id, found);
    return found;
  }

  #add(name: ObjectName, bytes: Buffer, deleted: boolean): string {
    const version_id = randomUUID();
    const etag = deleted ? '' : createHash('md5').update(bytes).digest('hex');
    const modified_at = new Date().toISOString();
    this.#of(name).unshift({ version_id, size_bytes: bytes.length, etag, modified_at, deleted, bytes });
    return version_id;
  }

  write(name: ObjectName, text: string): string {
    return this.#add(name, Buffer.from(text), false);
  }

  hide(name: ObjectName): string {
    return this.#add(name, Buffer.alloc(0), true);
  }

  remove({ bucket, key, version_id }: ObjectVersion): void {
    const kept = this.#of({ bucket, key });
    const at = kept.findIndex((version) => version.version_id === version_id);
    if (at >= 0) kept.splice(at, 1);
  }

  #asked(method: string, name: ObjectName): void {
    this.requests.push(`${method} ${name.bucket}/${name.key}`);
    this.trouble?.(method, name);
  }

  #find({ version_id, ...name }: ObjectVersion): Kept {
    const kept = this.#of(name);
    const found = version_id === undefined ? kept[0] : kept.find((version) => version.version_id === version_id);
    if (found === undefined || found.deleted) throw new AcervoError('artifact:not_found');
    return found;
  }

  /** As a service. */
  asStore(): ObjectStore {
    const statOf = ({ etag, version_id, size_bytes, modified_at }: Kept): ObjectStat => {
      return { etag, version_id, size_bytes, modified_at, content_type: 'text/plain' };
    };
    const store: Partial<ObjectStore> = {
      stat: async (object) => {
        this.#asked('stat', object);
        return statOf(this.#find(object));
      },
      versions: async (name) => {
        this.#asked('versions', name);
        return this.#of(name).map(({ bytes: _bytes, ...version }) => version);
      },
      get: async (object) => {
        this.#asked('get', object);
        const found = this.#find(object);
        return { ...statOf(found), body: Readable.from(found.bytes, { objectMode: false }), content_range: null };
      },
      delete: async (object) => {
        this.#asked('delete', object);
        if (object.version_id === undefined) this.hide(object);
        else this.remove(object);
      },
    };
    return store as ObjectStore;
  }
}
