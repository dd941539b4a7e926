import { type ListedObject, type ListedVersion, type ListOptions, MAX_LIST_LIMIT, type ObjectPage } from '../port.js';
import type { Catalog, Entry } from './catalog.js';

/** Keys whose newest version is no marker. */
export async function listObjects(
  catalog: Catalog,
  bucket: string,
  { prefix, cursor, limit }: Required<ListOptions>,
): Promise<ObjectPage> {
  const objects: ListedObject[] = [];
  for await (const key of catalog.keys(bucket, prefix, cursor)) {
    const current = (await catalog.read({ bucket, key })).versions.at(-1);
    if (current === undefined || current.deleted) continue;
    const last = objects.at(-1);
    if (last !== undefined && objects.length === limit) return { objects, cursor: last.key };
    const { size_bytes, etag, modified_at } = current;
    objects.push({ key, size_bytes, etag, modified_at });
  }
  return { objects, cursor: null };
}

export function listVersions({ versions }: Entry): ListedVersion[] {
  return versions
    .toReversed()
    .slice(0, MAX_LIST_LIMIT)
    .map(({ version_id, size_bytes, etag, modified_at, deleted = false }) => ({
      version_id,
      size_bytes,
      etag,
      modified_at,
      deleted,
    }));
}
