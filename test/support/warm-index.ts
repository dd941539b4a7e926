import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Product } from './product.js';
import { type SearchAnswer, search } from './search.js';
import { waitFor } from './stack-servers.js';

/** What tests of the warm index share: where an answer came from, its snapshots, and what the log says of it. */
export interface WarmReport {
  state: string;
  documents?: { document: number; decision: number };
  vectors?: number;
  memory_bytes?: number;
  max_memory_bytes?: number;
  disk_bytes?: number;
  lag_seconds?: number;
}

/** Readers of the audit log give up on rows that are older than this, in seconds; a second more for clocks. */
const SETTLED_SECONDS = 16;
const READY = 'the warm index is ready';

const sources = ({ plan }: SearchAnswer): string[] => [...new Set(plan.legs.map(({ from }) => from))];

/** A search that must be answered from memory. */
export async function fromMemory(
  product: Product,
  body: Record<string, unknown>,
  { key, path }: { key?: string; path?: string } = {},
): Promise<SearchAnswer> {
  const answer = await search(product, { limit: 100, ...body }, key, path);
  expect(sources(answer), JSON.stringify(body)).toEqual(['memory']);
  return answer;
}

/** A search that must be answered by the database. */
export async function fromDatabase(product: Product, body: Record<string, unknown>): Promise<SearchAnswer> {
  const answer = await search(product, { limit: 100, ...body });
  expect(sources(answer), JSON.stringify(body)).toEqual(['database']);
  return answer;
}

export async function reportOf(product: Product): Promise<WarmReport> {
  const { status, body, text } = await product.call<{ warm_index: WarmReport }>('GET', '/health');
  expect(status, text).toBe(200);
  return body.warm_index;
}

/** Waits until nothing can come before this row of the log any more, and the index has seen that. */
export async function settled(product: Product, auditId: string): Promise<void> {
  const writtenMs = Date.parse(auditId.slice(0, auditId.indexOf('_')));
  await waitFor('the log to settle', async () => {
    const { lag_seconds = Number.POSITIVE_INFINITY } = await reportOf(product);
    return Date.now() - lag_seconds * 1000 > writtenMs + SETTLED_SECONDS * 1000;
  });
}

/** The lines of the log with this message. */
export function logged(product: Product, message: string): Record<string, unknown>[] {
  return product
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.includes(message))
    .map((line) => JSON.parse(line));
}

/** The one line of the log with this message. It comes by another way than answers do, and can be later than they are. */
export async function loggedOnce(product: Product, message: string): Promise<Record<string, unknown> | undefined> {
  await waitFor(`"${message}" in the log`, async () => logged(product, message).length > 0);
  const lines = logged(product, message);
  expect(lines).toHaveLength(1);
  return lines[0];
}

/** Was the index read back from disk at the last time that it became ready? */
export async function restored(product: Product): Promise<unknown> {
  await waitFor('it to be ready, in the log', async () => logged(product, READY).length > 0);
  return logged(product, READY).at(-1)?.restored;
}

export function snapshotDirectory({ env }: Product): string {
  return join(env.ACERVO_DATA_DIR!, 'warm-index', env.SURREALDB_DATABASE ?? 'memory');
}

/** Names of what lies there, sorted; nothing before the first snapshot. */
export function snapshotNames(product: Product): string[] {
  try {
    return readdirSync(snapshotDirectory(product)).sort();
  } catch {
    return [];
  }
}

/** Every byte of the snapshots, as text of one character a byte. */
export function snapshotText(product: Product): string {
  const directory = snapshotDirectory(product);
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'))
    .join('\n');
}
