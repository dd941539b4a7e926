// LanceDB in a process of its own, asked by messages. What is measured runs in here: no message is part of any time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, Index, rerankers } from '@lancedb/lancedb';
import {
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { FILTERS, idOf, makeCorpus, metadataOf, textOf } from './corpus.mjs';
import { arrivalRate, closedLoop, paced } from './loop.mjs';

const LIMIT = 10;
const LOAD_ROWS = 5_000;
/** Its documentation: `optimize` should run after 20 changes or so. */
const CHANGES_BEFORE_OPTIMIZE = 20;
const RESULT_COLUMNS = ['id', 'text'];

const directory = mkdtempSync(join(tmpdir(), 'acervo-bench-lancedb-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
// Whoever started it has gone.
process.on('disconnect', () => process.exit(0));

const SCALARS = Object.keys(metadataOf(0));
let [corpus, schema, table, reranker] = [];

function schemaOf(dimensions) {
  const vector = new FixedSizeList(dimensions, new Field('item', new Float32(), true));
  return new Schema([
    new Field('id', new Utf8(), false),
    new Field('text', new Utf8(), false),
    ...SCALARS.map((name) => new Field(name, new Int32(), false)),
    new Field('vector', vector, false),
  ]);
}

/** Documents `from` to `to` (exclusive) as Arrow keeps them. */
function rowsOf(from, to) {
  const length = to - from;
  const numbers = Array.from({ length }, (_, at) => from + at);
  const documents = numbers.map(corpus.documentOf);
  const floats = new Float32Array(length * corpus.dimensions);
  documents.forEach(({ vector }, at) => {
    floats.set(vector, at * corpus.dimensions);
  });
  const texts = (values) => vectorFromArray(values, new Utf8()).data[0];
  const integers = (name) => Int32Array.from(numbers, (number) => metadataOf(number)[name]);
  const plain = { length, nullCount: 0 };
  const items = makeData({ type: new Float32(), length: floats.length, nullCount: 0, data: floats });
  const children = [
    texts(numbers.map(idOf)),
    texts(documents.map(({ ranks }) => textOf(ranks))),
    ...SCALARS.map((name) => makeData({ type: new Int32(), ...plain, data: integers(name) })),
    makeData({ type: schema.fields.at(-1).type, ...plain, child: items }),
  ];
  return new Table(schema, new RecordBatch(schema, makeData({ type: new Struct(schema.fields), ...plain, children })));
}

const INDEXES = {
  IVF_HNSW_SQ: () => Index.hnswSq({ distanceType: 'cosine', numPartitions: 1 }),
  IVF_PQ: () => Index.ivfPq({ distanceType: 'cosine' }),
};

const PREDICATES = new Map(FILTERS.map(({ modulus }) => [modulus, modulus === 1 ? undefined : `by_${modulus} = 0`]));

function nearestTo(query, vector, { nprobes, ef, refineFactor, bypass }) {
  let nearest = query.nearestTo(vector).distanceType('cosine');
  if (nprobes) nearest = nearest.nprobes(nprobes);
  if (ef) nearest = nearest.ef(ef);
  if (refineFactor) nearest = nearest.refineFactor(refineFactor);
  return bypass ? nearest.bypassVectorIndex() : nearest;
}

/** The first `limit` rows: what a caller would get to show. */
async function search(number, { mode, modulus, settings }) {
  const { vector, text } = corpus.queries[number];
  let query = table.query();
  if (mode !== 'vector') query = query.fullTextSearch(text, { columns: ['text'] });
  if (mode !== 'text') query = nearestTo(query, vector, settings);
  if (mode === 'hybrid') query = query.rerank(reranker);
  const predicate = PREDICATES.get(modulus);
  if (predicate) query = query.where(predicate);
  const scores = { vector: ['_distance'], text: ['_score'], hybrid: [] }[mode];
  return query
    .select([...RESULT_COLUMNS, ...scores])
    .limit(LIMIT)
    .toArray();
}

async function seconds(work) {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
}

const CALLS = {
  async load({ shape, to }) {
    corpus = makeCorpus(shape);
    schema = schemaOf(corpus.dimensions);
    reranker = await rerankers.RRFReranker.create();
    const database = await connect(directory);
    table = await database.createEmptyTable('passages', schema);
    return CALLS.add({ from: 0, to });
  },
  async add({ from, to }) {
    for (let at = from; at < to; at += LOAD_ROWS) await table.add(rowsOf(at, Math.min(to, at + LOAD_ROWS)));
    return {};
  },
  /** Everything but the vectors. */
  async indexColumns() {
    return {
      seconds: await seconds(async () => {
        await table.createIndex('text', { config: Index.fts({ withPosition: false }) });
        for (const name of SCALARS) await table.createIndex(name, { config: Index.bitmap() });
        await table.optimize();
      }),
    };
  },
  async indexVectors({ index }) {
    return {
      seconds: await seconds(async () => {
        await table.createIndex('vector', { config: INDEXES[index](), replace: true });
        await table.optimize();
      }),
    };
  },
  async optimize() {
    return { seconds: await seconds(() => table.optimize()) };
  },
  async ask({ query, ...wanted }) {
    return (await search(query, wanted)).map(({ id }) => id);
  },
  async loop({ clients, seconds: length, first, ...wanted }) {
    return closedLoop({ clients, seconds: length, first, queries: corpus.queries.length }, (query) =>
      search(query, wanted),
    );
  },
  /** The same, while documents are added. */
  async loopWhileAdding({ from, batches, size, ...wanted }) {
    const ready = Array.from({ length: Math.ceil(wanted.seconds * batches) + 1 }, (_, at) =>
      rowsOf(from + at * size, from + (at + 1) * size),
    );
    const stop = new AbortController();
    const startedMs = performance.now();
    const adding = addPaced(ready, batches, stop.signal);
    const measured = await CALLS.loop(wanted);
    const untilMs = performance.now();
    stop.abort();
    const times = await adding;
    const rate = arrivalRate(times, size, { startedMs, untilMs, batches, size });
    return { ...measured, stored: times.length * size, rate };
  },
  async residentBytes() {
    return process.memoryUsage().rss;
  },
};

let changes = 0;
let optimizing;

/** @returns when each batch was there */
async function addPaced(ready, batches, signal) {
  const times = [];
  for await (const at of paced(batches, signal)) {
    if (ready[at] === undefined) break;
    await table.add(ready[at]);
    times.push(performance.now());
    changes += 1;
    if (changes % CHANGES_BEFORE_OPTIMIZE !== 0) continue;
    await optimizing;
    optimizing = table.optimize();
  }
  // It would take from the time of others.
  await optimizing;
  return times;
}

process.on('message', async ({ id, name, request }) => {
  try {
    process.send({ id, answer: await CALLS[name](request) });
  } catch (error) {
    process.send({ id, error: error.stack });
  }
});
