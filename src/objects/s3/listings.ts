import { text } from 'node:stream/consumers';
import {
  type ListedVersion,
  type ListOptions,
  MAX_LIST_LIMIT,
  type ObjectName,
  type ObjectPage,
  type UnfinishedUpload,
} from '../port.js';
import type { Sender } from './send.js';

const unquoted = (etag: string) => etag.replace(/"/g, '');

/** Version 1 of the listing: for version 2 the SDK reads keys as numbers (`007` becomes 7). */
export async function listObjects(sender: Sender, bucket: string, options: ListOptions): Promise<ObjectPage> {
  const { prefix = '', cursor = '', limit } = options;
  const page = await sender.client.listObjectsQuery(bucket, prefix, cursor, { Delimiter: '', MaxKeys: limit });
  const objects = page.objects.map(({ name = '', size, etag = '', lastModified }) => ({
    key: name,
    size_bytes: size ?? 0,
    etag,
    modified_at: (lastModified ?? new Date(0)).toISOString(),
  }));
  // The SDK's own marker is not decoded.
  return { objects, cursor: page.isTruncated ? (objects.at(-1)?.key ?? null) : null };
}

/** The exact key sorts first among the keys that begin with it, so that one page has its newest versions. */
export async function listVersions(sender: Sender, { bucket, key }: ObjectName): Promise<ListedVersion[]> {
  const query = { Delimiter: '', MaxKeys: MAX_LIST_LIMIT, IncludeVersion: true };
  const { objects } = await sender.client.listObjectsQuery(bucket, key, '', query);
  return (
    (objects as SdkVersion[])
      .filter(({ name }) => name === key)
      // The SDK puts all markers behind all versions, and times may be whole seconds.
      .sort((a, b) => timeOf(b) - timeOf(a) || latestFirst(a, b))
      .map(({ versionId, size, etag = '', lastModified = new Date(0), isDeleteMarker = false }) => ({
        version_id: String(versionId),
        size_bytes: isDeleteMarker ? 0 : Number(size),
        etag: unquoted(etag),
        modified_at: lastModified.toISOString(),
        deleted: isDeleteMarker,
      }))
  );
}

const timeOf = ({ lastModified }: SdkVersion): number => lastModified?.getTime() ?? 0;

const latestFirst = (a: SdkVersion, b: SdkVersion): number =>
  Number(String(b.isLatest) === 'true') - Number(String(a.isLatest) === 'true');

/** What the SDK gives; its types leave out markers. */
interface SdkVersion {
  name?: string;
  versionId?: string;
  size?: number;
  etag?: string;
  lastModified?: Date;
  isLatest?: boolean | string;
  isDeleteMarker?: boolean;
}

/**
 * One page: the janitor that reads it aborts them, and asks again. Read here and not by the SDK, which makes numbers of
 * keys and trims them. With `encoding-type=url` a value holds no `<` and no `&`.
 */
export async function listUploads(sender: Sender, bucket: string): Promise<UnfinishedUpload[]> {
  const query = { uploads: '', 'encoding-type': 'url', 'max-uploads': String(MAX_LIST_LIMIT) };
  const xml = await text(await sender.send({ method: 'GET', bucket, query }));
  return [...xml.matchAll(/<Upload>(.*?)<\/Upload>/gs)].map(([, upload = '']) => {
    const textOf = (tag: string) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(upload)?.[1] ?? '';
    const key = decodeURIComponent(textOf('Key').replaceAll('+', ' '));
    const started_at = new Date(textOf('Initiated')).toISOString();
    return { bucket, key, upload_id: textOf('UploadId'), started_at };
  });
}
