import type { FoundDocument } from '../../search/leg.js';
import type { Bitset } from '../bitset.js';
import type { Documents } from '../documents.js';
import { bestAmong } from './best-slots.js';
import type { PendingGraph } from './pending-graph.js';
import type { Places } from './places.js';
import { numbersOf, type VectorStore } from './store.js';

export interface VectorQuery {
  /** float[dimensions] of unit length */
  vector: Float32Array;
  /** Documents wanted. */
  depth: number;
  /** Rows that may match; all when left out. Rows that are dead may be among them. */
  keeps?: Bitset;
  /** Cosine under which nothing matches. */
  minScore?: number;
  documents: Documents;
}

/** What was found, best first; `exhausted` and `method` as in `LegResult`. */
export interface FoundByVector {
  documents: FoundDocument[];
  exhausted: boolean;
  method: 'exact' | 'index' | 'scan';
}

/** What is searched. */
interface Searched {
  store: VectorStore;
  places: Places;
  pending: PendingGraph;
}

/**
 * Neighbours for each document that is wanted, were all spread evenly: int8 and the graph do not order them exactly. So
 * many are compared exactly, however many more the graph is asked for: 50 would do for ten, of 3 000 (measured).
 */
const SLACK = 3;
const LEAST_FETCH = 128;
/**
 * The more vectors, the more queries end in the graph among others than the nearest, with few neighbours asked for: 4 of 100
 * queries among 500 000 and 5 among 1 000 000 with 128, none with 300. Measured.
 */
const VECTORS_OF_A_NEIGHBOUR = 1_500;
const MOST_AT_FIRST = 2_000;
const GROWTH = 4;
/**
 * Neighbours that match, of as many as would were the filter indifferent to the query. Where fewer do, the best that match lie
 * among the graph's last, which it finds badly: .8 of the ten best, where a filter kept only other clusters than the query's.
 */
const LEAST_MATCHING = 0.5;
/** What int8 may get wrong of a cosine. */
const INT8_ERROR = 0.005;

/** The `depth` nearest documents: by the graph where that is quicker than comparing all that may match. */
export function nearestDocuments(searched: Searched, query: VectorQuery): FoundByVector {
  const numbers = numbersOf(query.vector, searched.store.dimensions);
  return byGraph(searched, numbers, query) ?? exactly(searched, numbers, query);
}

function exactly(searched: Searched, numbers: Int16Array, query: VectorQuery): FoundByVector {
  const { keeps, documents } = query;
  const places = keeps === undefined ? searched.places.all() : placesOf(searched.places, keeps, documents);
  return { ...best(searched, numbers, { places, query }), method: keeps === undefined ? 'scan' : 'exact' };
}

function best(
  { store, places: all }: Searched,
  numbers: Int16Array,
  { places, query }: { places: Uint32Array; query: VectorQuery },
) {
  const { slotOfPlace } = all;
  const slots = new Uint32Array(places.length);
  for (let i = 0; i < places.length; i += 1) slots[i] = slotOfPlace[places[i] ?? 0] ?? 0;
  const { documents, depth, minScore } = query;
  return bestAmong(documents, { slots, scores: store.cosines(numbers, places) }, { depth, minScore });
}

/** Where the vectors of rows lie. */
function placesOf(places: Places, rows: Bitset, documents: Documents): Uint32Array {
  let slots = 0;
  rows.forEach((row) => {
    if (row < documents.rows) slots += documents.endSlotOf(row) - documents.firstSlotOf(row);
  });
  const found = new Uint32Array(slots);
  let count = 0;
  rows.forEach((row) => {
    if (row >= documents.rows) return;
    const end = documents.endSlotOf(row);
    for (let slot = documents.firstSlotOf(row); slot < end; slot += 1) {
      const place = places.placeOf(slot);
      if (place !== undefined) found[count++] = place;
    }
  });
  return found.subarray(0, count);
}

/** Asks the graph for more and more neighbours until enough match. Undefined: comparing exactly is quicker, or surer. */
function byGraph(searched: Searched, numbers: Int16Array, query: VectorQuery): FoundByVector | undefined {
  const { depth, keeps, minScore, documents } = query;
  const { graph } = searched.pending;
  const { size } = searched.places;
  if (graph === undefined || size === 0) return undefined;
  const share = keeps === undefined ? 1 : Math.min(1, keeps.size / Math.max(1, documents.size));
  const crowd = Math.min(MOST_AT_FIRST, size / VECTORS_OF_A_NEIGHBOUR);
  const compared = Math.max(LEAST_FETCH, SLACK * depth);
  const first = Math.ceil(Math.max(compared, crowd, (SLACK * depth) / share));
  for (let fetch = first; costOf(searched, fetch, share) <= share * size; fetch *= GROWTH) {
    const { places, last } = graph.nearest(numbers, fetch);
    if (places.length < Math.min(fetch, graph.size)) return undefined;
    const matching = kept(searched, places, query);
    if (matching.near < LEAST_MATCHING * fetch * share) return undefined;
    const sawAll = minScore !== undefined && last < minScore - INT8_ERROR;
    const most = sawAll ? matching.near : Math.ceil((compared * fetch) / first);
    const found = best(searched, numbers, { places: nearestOf(matching, most), query });
    if (sawAll) return { ...found, method: 'index' };
    if (found.documents.length >= depth) return { documents: found.documents, exhausted: false, method: 'index' };
  }
  return undefined;
}

/** In comparisons of vectors. A graph of many that were removed is walked through them. */
function costOf({ store, places, pending }: Searched, fetch: number, share: number): number {
  return fetch * store.comparedPerNeighbour * (places.length / places.size) + pending.waitingCount * share;
}

/** What may match: of the graph's neighbours, `near` of them, and then of those places that it does not hold. */
function kept({ places: all, pending }: Searched, neighbours: Uint32Array, { keeps, documents }: VectorQuery) {
  const found = new Uint32Array(neighbours.length + pending.waitingCount);
  let count = 0;
  const { slotOfPlace } = all;
  const { rowOfSlot } = documents;
  const keep = (place: number) => {
    if (keeps === undefined || keeps.has(rowOfSlot[slotOfPlace[place] ?? 0] ?? 0)) found[count++] = place;
  };
  neighbours.forEach(keep);
  const near = count;
  pending.waiting.forEach(keep);
  return { places: found.subarray(0, count), near };
}

/** The nearest of the graph's neighbours, and all places that it does not hold. */
function nearestOf({ places, near }: { places: Uint32Array; near: number }, most: number): Uint32Array {
  if (near <= most) return places;
  const some = new Uint32Array(most + places.length - near);
  some.set(places.subarray(0, most));
  some.set(places.subarray(near), most);
  return some;
}

/** The cosines of the best vectors of rows, best first; rows without a vector are left out. */
export function cosinesOf(searched: Searched, query: Omit<VectorQuery, 'minScore'>): FoundDocument[] {
  return exactly(searched, numbersOf(query.vector, searched.store.dimensions), query).documents;
}
