import { expect } from 'vitest';
import type { Product } from './product.js';

/** What a test stores, and the judge looks at. Without `passages` the text is one passage, its title in front. */
export interface TestDocument {
  id: string;
  title?: string;
  content?: string;
  metadata?: Record<string, unknown>;
  agent_id?: string;
  language?: string;
  artifact_id?: string;
  vector?: number[];
  passages?: { text: string; vector?: number[] }[];
}

export interface Hit {
  id: string;
  score: number;
  scores: { vector?: number; text?: number };
  metadata: Record<string, unknown>;
  passages: { ordinal: number; text: string; highlight?: string }[];
}

export interface SearchAnswer {
  hits: Hit[];
  cursor?: string;
  plan: {
    mode: string;
    fusion?: string;
    weights?: { vector: number; text: number };
    trust?: { vector: number; text: number; documents: number; probes: number };
    words: string[];
    candidates: number;
    degraded?: string;
    legs: { leg: string; from: string; method: string; found: number }[];
    statements?: { leg: string; text: string; params: Record<string, unknown>; rows: number }[];
  };
}

/** Numbers in [0, 1), the same for the same seed. Source: mulberry32, T. Ettinger, public domain. */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** float[dimensions] of unit length: `around`, if given, plus noise of that length. */
export function unitVector(random: () => number, dimensions: number, around?: number[], noise = 1): number[] {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const scale = noise / Math.sqrt(dimensions);
  return unit(Array.from({ length: dimensions }, (_, i) => (around?.[i] ?? 0) + normal() * scale));
}

/** Rounded, so that a request stays small; far finer than any difference that a test looks at. */
export function unit(vector: number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => Number((value / length).toFixed(6)));
}

export function cosine(a: number[], b: number[]): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.sqrt(aa * bb);
}

/** The judge's words: runs of letters and numbers. Tests use words that no stemmer changes. */
export const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

function passagesOf({ title, content, passages }: TestDocument): string[] {
  const [first = '', ...rest] = passages?.map(({ text }) => text) ?? [content ?? ''];
  return [`${title ?? ''} ${first}`, ...rest];
}

/** Does one passage of the document hold any, or all, of the words? */
export function holdsWords(document: TestDocument, query: string, match: 'any' | 'all' = 'any'): boolean {
  const wanted = wordsOf(query);
  return passagesOf(document).some((text) => {
    const held = new Set(wordsOf(text));
    return match === 'all' ? wanted.every((word) => held.has(word)) : wanted.some((word) => held.has(word));
  });
}

/** Cosine of a document's best vector, if it has any. */
export function bestCosine(document: TestDocument, vector: number[]): number | undefined {
  const own = [document.vector, ...(document.passages?.map((passage) => passage.vector) ?? [])];
  const cosines = own.flatMap((candidate) => (candidate === undefined ? [] : [cosine(candidate, vector)]));
  return cosines.length === 0 ? undefined : Math.max(...cosines);
}

/** Documents with a vector, nearest first: the brute force that search is measured by. */
export function byCosine<Document extends TestDocument>(
  documents: Document[],
  vector: number[],
): { id: string; score: number }[] {
  return documents
    .flatMap((document) => {
      const score = bestCosine(document, vector);
      return score === undefined ? [] : [{ id: document.id, score }];
    })
    .sort((a, b) => b.score - a.score);
}

/** Closer than this, cosines may come in either order: in memory a vector is kept in 16 bits a number. */
const COSINE_STEP = 1e-4;

/** Are these just the expected ones, nearest first? */
export function expectNearestFirst(
  found: { id: string; score: number }[],
  expected: { id: string; score: number }[],
): void {
  expect(sortedIds(found)).toEqual(sortedIds(expected));
  const cosines = new Map(expected.map(({ id, score }) => [id, score]));
  for (const [place, { id, score }] of found.entries()) {
    expect(score).toBeCloseTo(cosines.get(id)!, 3.5);
    const next = found[place + 1];
    if (next !== undefined) expect(cosines.get(next.id)!).toBeLessThan(cosines.get(id)! + COSINE_STEP);
  }
}

export const idsOf = (documents: { id: string }[]): string[] => documents.map(({ id }) => id);
export const sortedIds = (documents: { id: string }[]): string[] => idsOf(documents).sort();

/** A search that must succeed. */
export async function search(
  product: Product,
  body: Record<string, unknown>,
  key?: string,
  path = '/v1/search',
): Promise<SearchAnswer> {
  const answer = await product.call<SearchAnswer>('POST', path, body, key === undefined ? {} : { key });
  expect(answer.status, answer.text).toBe(200);
  return answer.body;
}

/** A search that must fail: its status and code. */
export async function refusal(
  product: Product,
  body: object,
  path = '/v1/search',
): Promise<{ status: number; code: unknown }> {
  const answer = await product.call('POST', path, body);
  return { status: answer.status, code: answer.body.code };
}

/** Every hit, page by page to the last: none twice, and none of the pages but the last ones short. */
export async function everyHit(
  product: Product,
  body: Record<string, unknown>,
  key?: string,
  path = '/v1/search',
): Promise<Hit[]> {
  const hits: Hit[] = [];
  let cursor: string | undefined;
  do {
    const page = await search(product, { ...body, ...(cursor === undefined ? {} : { cursor }) }, key, path);
    if (page.cursor !== undefined) expect(page.hits).toHaveLength(Number(body.limit ?? 10));
    hits.push(...page.hits);
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(new Set(idsOf(hits)).size, 'a document came twice').toBe(hits.length);
  return hits;
}

/** Stores documents; all must be stored. Bodies stay far below the bounds of a test machine's memory. */
export async function load(product: Product, documents: TestDocument[], linesAtOnce = 500): Promise<void> {
  for (let from = 0; from < documents.length; from += linesAtOnce) {
    const results = await product.bulk(documents.slice(from, from + linesAtOnce));
    expect(results.filter(({ status }) => status !== 'stored')).toEqual([]);
  }
}
