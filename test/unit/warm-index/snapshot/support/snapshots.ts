import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Parts } from '../../../../../src/warm-index/parts.js';
import { type OpenSnapshot, readSnapshot } from '../../../../../src/warm-index/snapshot/read.js';
import type { Snapshot } from '../../../../../src/warm-index/snapshot/write.js';

export const IDENTITY = { space: 'hashing-1024', analyzer: 'snowball 3, en' };

export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'acervo-snapshot-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A small snapshot, whose every array and file tells its number. */
export function sample(number: number): Snapshot {
  return {
    identity: IDENTITY,
    cursor: `cursor ${number}`,
    anchor: `anchor ${number}`,
    counts: { documents: number },
    parts: {
      documents: { ids: new Uint8Array(5).fill(number), ends: Float64Array.of(number, number + 0.5) },
      vectors: { places: new Int16Array(300).fill(number), none: new Uint32Array(0) },
    },
    files: [{ name: 'graph', write: (path) => writeFileSync(path, Buffer.alloc(40, number)) }],
  };
}

export function partsOf(parts: Record<string, Parts>): string {
  const described = Object.entries(parts).map(([name, some]) => [
    name,
    Object.entries(some).map(([part, array]) => [part, array.constructor.name, Array.from(array)]),
  ]);
  return JSON.stringify(described);
}

/** What can be read. @returns undefined when there is none; throws when it was refused */
export function opened(dir: string): OpenSnapshot | undefined {
  const found = readSnapshot(dir, IDENTITY);
  if (found !== undefined && 'refused' in found) throw new Error(`refused: ${found.refused}`);
  return found;
}

/** Expects that `dir` gives back one of these samples, whole, and holds nothing else afterwards. @returns its number */
export function expectOneOf(dir: string, numbers: number[]): number {
  const found = opened(dir);
  const number = Number(found?.manifest.cursor.split(' ')[1]);
  expect(numbers).toContain(number);
  const { identity, cursor, anchor, counts, parts } = sample(number);
  expect(found?.manifest).toMatchObject({ identity, cursor, anchor, counts });
  expect(partsOf(found?.parts ?? {})).toBe(partsOf(parts));
  expect(readFileSync(found?.filePath('graph') ?? '')).toEqual(Buffer.alloc(40, number));
  expectTidy(dir);
  return number;
}

/** Expects one snapshot and nothing beside it or in it that does not belong there. */
export function expectTidy(dir: string): void {
  const names = readdirSync(dir);
  expect(names).toEqual([expect.stringMatching(/^snapshot-\d+$/)]);
  expect(readdirSync(join(dir, names[0]!)).sort()).toEqual(['graph.file', 'manifest.json', 'parts.bin']);
}
