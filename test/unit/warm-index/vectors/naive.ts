import type { Bitset } from '../../../../src/warm-index/bitset.js';
import { Documents } from '../../../../src/warm-index/documents.js';
import type { VectorQuery } from '../../../../src/warm-index/vectors/nearest-documents.js';
import { VectorIndex, type VectorIndexOptions } from '../../../../src/warm-index/vectors/vector-index.js';

/** Documents with their vectors in an index, and beside them in plain lists, that every vector is compared with. */
export class Judged {
  documents = new Documents();
  index: VectorIndex;
  readonly vectors = new Map<string, Float32Array[]>();

  constructor(readonly options: VectorIndexOptions) {
    this.index = new VectorIndex(options);
  }

  /** Adds a document, or changes it. */
  put(id: string, vectors: Float32Array[]): void {
    this.remove(id);
    const counts = { passages: vectors.length, whole: false };
    const { firstSlot } = this.documents.add({ id, revision: 1, content_revision: 1 }, counts);
    vectors.forEach((vector, ordinal) => {
      this.index.add(firstSlot + ordinal, vector);
    });
    this.vectors.set(id, vectors);
  }

  remove(id: string): void {
    const placed = this.documents.remove(id);
    for (let i = 0; i < (placed?.slots ?? 0); i += 1) this.index.remove(placed!.firstSlot + i);
    this.vectors.delete(id);
  }

  compact(): void {
    const { documents, renumbered } = this.documents.compacted();
    this.index = this.index.compacted(renumbered);
    this.documents = documents;
  }

  buildAll(): void {
    while (!this.index.buildGraph(1_000));
  }

  search(query: Omit<VectorQuery, 'documents'>) {
    return this.index.search({ ...query, documents: this.documents });
  }

  /** Every document that may match with the cosine of its best vector, best first. */
  judge({ vector, keeps, minScore = -2 }: { vector: Float32Array; keeps?: Bitset; minScore?: number }) {
    return [...this.vectors]
      .filter(([id]) => keeps?.has(this.documents.rowOf(id)!) ?? true)
      .map(([id, own]) => ({ id, score: Math.max(...own.map((other) => cosine(vector, other))) }))
      .filter(({ score }) => score >= minScore)
      .sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
  }
}

export function cosine(a: Float32Array, b: Float32Array): number {
  let [dot, left, right] = [0, 0, 0];
  for (let i = 0; i < a.length; i += 1) {
    dot += a[i]! * b[i]!;
    left += a[i]! * a[i]!;
    right += b[i]! * b[i]!;
  }
  return dot / Math.sqrt(left * right);
}

/** How many of the judge's first ten were found among the first ten, of ten, or of all where there are fewer. */
export function recallOfTen(found: { id: string }[], judged: { id: string }[]): number {
  const first = new Set(found.slice(0, 10).map(({ id }) => id));
  const wanted = judged.slice(0, 10);
  return wanted.length === 0 ? 1 : wanted.filter(({ id }) => first.has(id)).length / wanted.length;
}
