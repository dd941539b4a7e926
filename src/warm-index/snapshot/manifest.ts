import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { z } from 'zod';
import type { Part } from '../parts.js';

/** Raised whenever a file of a snapshot changes its meaning: snapshots of other formats are refused, never converted. */
export const FORMAT_VERSION = 1;

/** Arrays stand in the file as they stand in memory. */
export const BYTE_ORDER = endianness();

export const PART_TYPES = {
  Uint8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  Float32Array,
  Float64Array,
} satisfies Record<string, new (length: number) => Part>;

export type PartType = keyof typeof PART_TYPES;

/** Why a snapshot is not to be used: what it holds is damaged, of another format, or made for something else. */
export class Refusal extends Error {}

const size = z.int().nonnegative();

const manifestSchema = z.strictObject({
  format_version: z.literal(FORMAT_VERSION),
  byte_order: z.literal(BYTE_ORDER),
  /** What the content depends on, by name: database, embedding space, version of the analyzer and so on. */
  identity: z.record(z.string(), z.string()),
  /** How far the audit log is in it. */
  cursor: z.string(),
  /** What must still be true of the database for the cursor to mean anything. */
  anchor: z.string(),
  counts: z.record(z.string(), z.number()),
  /** What stands in `parts.bin`, in this order and with nothing between. */
  structures: z.array(
    z.strictObject({
      name: z.string(),
      parts: z.array(
        z.strictObject({ name: z.string(), type: z.enum(Object.keys(PART_TYPES) as PartType[]), length: size }),
      ),
    }),
  ),
  files: z.array(z.strictObject({ name: z.string(), size_bytes: size, sha256: z.string() })),
});

/** What a snapshot holds. The manifest is written last: a directory without one is no snapshot. */
export type Manifest = z.infer<typeof manifestSchema>;

export type FileFacts = Manifest['files'][number];

/** The manifest as it stands on disk, with a checksum of itself. */
export function encodeManifest(manifest: object): Buffer {
  const text = JSON.stringify(manifest);
  return Buffer.from(`{"sha256":"${createHash('sha256').update(text).digest('hex')}","manifest":${text}}\n`);
}

/** @throws Refusal when it is not to the byte what was written, or was written by another version */
export function decodeManifest(bytes: Buffer): Manifest {
  const manifest = contentOf(bytes);
  const { format_version, byte_order } = manifest;
  if (format_version !== FORMAT_VERSION)
    throw new Refusal(`it has the format ${String(format_version)}, not ${FORMAT_VERSION}`);
  if (byte_order !== BYTE_ORDER)
    throw new Refusal(`it has the byte order ${String(byte_order)}; this machine has ${BYTE_ORDER}`);
  const { success, data } = manifestSchema.safeParse(manifest);
  if (!success) throw new Refusal('its manifest has another form than this version gives it');
  return data;
}

function contentOf(bytes: Buffer): Record<string, unknown> {
  try {
    const { manifest } = JSON.parse(bytes.toString());
    // Encoding it again covers the checksum, the frame around it, and every byte that JSON would not mind.
    if (encodeManifest(manifest).equals(bytes)) return manifest;
  } catch {
    // No JSON, or no object: damaged, too.
  }
  throw new Refusal('its manifest is damaged');
}

/** @throws Refusal when it was made for something else */
export function checkIdentity(found: Record<string, string>, expected: Record<string, string>): void {
  for (const key of new Set([...Object.keys(expected), ...Object.keys(found)]))
    if (found[key] !== expected[key])
      throw new Refusal(`its ${key} is ${found[key] ?? 'not given'}, not ${expected[key] ?? 'given'}`);
}
