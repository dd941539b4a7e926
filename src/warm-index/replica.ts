import type { Searched } from '../search/compile.js';
import type { Filter } from '../search/filter/ast.js';
import { type FoundDocument, withCompleted } from '../search/leg.js';
import { bestDocuments } from './best-documents.js';
import type { ReplicaDocument } from './document.js';
import { Documents } from './documents.js';
import { FilterColumns } from './filter/columns.js';
import type { Parts } from './parts.js';
import type { Analyzer } from './text/analyzer.js';
import { Postings } from './text/postings.js';
import { type IndexFiles, VectorIndex } from './vectors/vector-index.js';

/** One search over one corpus, with all choices made that need no counts. */
export interface ReplicaQuery {
  of: Searched;
  /** Words without punctuation and stop words; undefined: no text leg. */
  words: string[] | undefined;
  match: 'any' | 'all';
  /** float[dimensions] of unit length; undefined: no vector leg. */
  vector: Float32Array | undefined;
  filter: Filter | undefined;
  minScore: number | undefined;
  require: readonly ('text' | 'vector')[];
  /** How many documents of each leg are wanted. */
  depth: number;
}

/** What a leg found. */
export interface ReplicaLeg {
  documents: FoundDocument[];
  /** True when nothing more matches. */
  exhausted: boolean;
  method: 'index' | 'exact' | 'scan';
  duration_ms: number;
  /** Where what it compares lies. */
  from: 'memory' | 'disk';
}

export interface ReplicaLegs {
  text: ReplicaLeg | undefined;
  vector: ReplicaLeg | undefined;
}

type Answered = Omit<ReplicaLeg, 'duration_ms' | 'from'>;

function timed(leg: () => Answered, from: ReplicaLeg['from'] = 'memory'): ReplicaLeg {
  const startedMs = performance.now();
  return { ...leg(), duration_ms: performance.now() - startedMs, from };
}

/**
 * Vectors added to a graph between two messages: each takes a millisecond, and a call .3 ms more (measured at 1 024
 * dimensions). A search waits for them.
 */
const SLICE_VECTORS = 4;

/** What a replica is made of, on disk. */
export type ReplicaParts = Record<'documents' | 'columns' | 'postings' | 'vectors', Parts>;

export interface ReplicaSize {
  documents: number;
  vectors: number;
  /** Vectors that the graph holds. */
  indexed: number;
  /** Rows of what was changed or removed. */
  dead: number;
  /** Memory. */
  bytes: number;
  diskBytes: number;
}

export interface ReplicaOptions {
  analyzer: Analyzer;
  dimensions: number;
  /** Live vectors from which on a graph is worth its memory. */
  graphFrom: number;
  /** Threads that add to it; 1 when left out. */
  threads?: number;
}

/** The documents of one corpus in memory: what both legs of a search need, and nothing that it could not do without. */
export class Replica {
  readonly #options: ReplicaOptions;
  #documents = new Documents();
  #columns = new FilterColumns();
  #postings = new Postings();
  #vectors: VectorIndex;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#vectors = new VectorIndex(options);
  }

  /** Takes in the state of a document. An older one than it has changes nothing. */
  apply({ id, revision, content_revision, columns, passages, vectors }: ReplicaDocument): void {
    const known = this.#documents.rowOf(id);
    if (known !== undefined && this.#documents.revisionOf(known) > revision) return;
    this.remove(id);
    const whole = vectors.some(({ ordinal }) => ordinal < 0);
    const { row, firstSlot } = this.#documents.add(
      { id, revision, content_revision },
      { passages: passages.length, whole },
    );
    this.#columns.add(row, columns);
    passages.forEach((text, ordinal) => {
      this.#postings.add(firstSlot + ordinal, this.#options.analyzer.terms(text));
    });
    for (const { ordinal, embedding } of vectors)
      this.#vectors.add(firstSlot + (ordinal < 0 ? passages.length : ordinal), embedding);
  }

  remove(id: string): void {
    const placed = this.#documents.remove(id);
    if (placed === undefined) return;
    for (let slot = placed.firstSlot; slot < placed.firstSlot + placed.slots; slot += 1) {
      this.#postings.remove(slot);
      if (this.#vectors.has(slot)) this.#vectors.remove(slot);
    }
  }

  /** Work that may wait until nobody asks: a slice of the vectors' graph. @returns whether more is to be done */
  settle(): boolean {
    return !this.#vectors.buildGraph(SLICE_VECTORS);
  }

  /** @throws UnsupportedFilterError for a filter that only the database can judge */
  search({ words, match, vector, filter, minScore, require, depth }: ReplicaQuery): ReplicaLegs {
    const documents = this.#documents;
    const keeps = filter === undefined ? undefined : this.#columns.select(filter).and(documents.live);
    const searchText = (terms: string[]) =>
      timed(() => {
        const found = this.#postings.search({ terms, match, documents, ...(keeps && { keeps }) });
        const { documents: best, total } = bestDocuments(documents, found, depth);
        return { documents: best, exhausted: total <= depth, method: 'index' };
      });
    const text = words && searchText(this.#termsOf(words));
    if (vector === undefined) return { text, vector: undefined };
    if (text !== undefined && require.includes('text')) return { text, vector: this.#cosines(vector, text, minScore) };
    const request = { vector, depth, documents, ...(keeps && { keeps }), ...(minScore !== undefined && { minScore }) };
    const leg = timed(() => this.#vectors.search(request), this.#from);
    if (text === undefined || !require.includes('vector')) return { text, vector: leg };
    return { text, vector: this.#completed(vector, { text, leg, minScore }) };
  }

  get #from(): ReplicaLeg['from'] {
    return this.vectorsPath === undefined ? 'memory' : 'disk';
  }

  /** Each word as the analyzer writes it. */
  #termsOf(words: string[]): string[] {
    return [...new Set(words.flatMap((word) => this.#options.analyzer.terms(word)))];
  }

  /** The cosines of what the text leg found: where a hit must hold the words, it says what may be a hit. */
  #cosines(vector: Float32Array, text: ReplicaLeg, minScore = -2): ReplicaLeg {
    return timed(() => {
      const rows = text.documents.flatMap(({ id }) => this.#documents.rowOf(id) ?? []);
      const found = this.#vectors.scoresOf(vector, rows, this.#documents);
      const best = found.filter(({ score }) => score >= minScore);
      return { documents: best, exhausted: text.exhausted, method: 'exact' };
    }, this.#from);
  }

  /** Adds the cosines of documents that only the text leg found: a hit must match in the vector leg too. */
  #completed(
    vector: Float32Array,
    { text, leg, minScore }: { text: ReplicaLeg; leg: ReplicaLeg; minScore: number | undefined },
  ): ReplicaLeg {
    const known = new Set(leg.documents.map(({ id }) => id));
    const missing = text.documents.filter(({ id }) => !known.has(id));
    if (missing.length === 0) return leg;
    const added = this.#cosines(vector, { ...text, documents: missing }, minScore).documents;
    return { ...leg, documents: withCompleted(leg.documents, added) };
  }

  get size(): ReplicaSize {
    const [documents, columns, postings, vectors] = [this.#documents, this.#columns, this.#postings, this.#vectors];
    return {
      documents: documents.size,
      vectors: vectors.size,
      indexed: vectors.indexed,
      dead: documents.rows - documents.size,
      bytes: documents.bytes + columns.bytes + postings.bytes + vectors.bytes,
      diskBytes: vectors.diskBytes,
    };
  }

  /** Leaves behind what is dead: it takes memory. Blocks the thread, by a second or more for 100 000 documents. */
  compact(): void {
    const { documents, renumbered } = this.#documents.compacted();
    this.#columns = this.#columns.compacted(renumbered);
    this.#postings = this.#postings.compacted(renumbered);
    this.#vectors = this.#vectors.compacted(renumbered);
    this.#documents = documents;
  }

  get hasGraph(): boolean {
    return this.#vectors.hasGraph;
  }

  /** Writes the file of the vectors' graph, which belongs to the dump that is made at the same time. */
  saveGraph(path: string): void {
    this.#vectors.saveGraph(path);
  }

  /** The vectors lie in a file from now on, unless they do already: see `VectorIndex`. @throws Error of the system */
  moveVectorsToDisk(path: string): boolean {
    return this.#vectors.moveToDisk(path);
  }

  /** The file of the vectors, which is a part of the dump at any time after it; undefined while they lie in memory. */
  get vectorsPath(): string | undefined {
    return this.#vectors.vectorsPath;
  }

  /** Removes its file. It must not be used any more. */
  close(): void {
    this.#vectors.close();
  }

  /** All of it but its files, as views: to be written away before anything else is done. */
  dump(): ReplicaParts {
    return {
      documents: this.#documents.dump(),
      columns: this.#columns.dump(),
      postings: this.#postings.dump(),
      vectors: this.#vectors.dump(),
    };
  }

  /** @throws Error when the parts or the files are not those of a dump */
  static load(parts: ReplicaParts, options: ReplicaOptions, files?: IndexFiles): Replica {
    const replica = new Replica(options);
    replica.#documents = Documents.load(parts.documents);
    replica.#columns = FilterColumns.load(parts.columns);
    replica.#postings = Postings.load(parts.postings);
    replica.#vectors = VectorIndex.load(parts.vectors, options, files);
    return replica;
  }
}
