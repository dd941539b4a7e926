// npm run bench:index -- [--passages 1000000] [--vectors-only] …: the warm index alone, in process, fed from a generator
// without a database: how soon it is built, what memory it takes, how quick and how sure it is.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseFilter } from '../dist/search/filter/parse.js';
import { fuseRrf } from '../dist/search/fusion.js';
import { Replica } from '../dist/warm-index/replica.js';
import { createAnalyzer } from '../dist/warm-index/text/analyzer.js';
import { judge } from './check.mjs';
import { FILTERS, idOf, makeCorpus, metadataOf, textOf } from './corpus.mjs';
import { availableBytes, extrapolated, stepsTo } from './index-curve.mjs';
import { fixed, machine, mebibytes, milliseconds, table } from './report.mjs';
import { summary } from './statistics.mjs';
import { Truth } from './truth.mjs';

const USAGE = `npm run bench:index -- [options]
  --passages 1000000     how many documents of one passage; measured at 10 000, 20 000, 50 000, 100 000, …
  --from 10000           the first of these steps
  --dims 1024            dimensions of a vector
  --queries 50           how many queries
  --vectors-only         without texts
  --on-disk              vectors in a file from the beginning on, as beyond the memory that the index may take
  --threads 2            that add to the graph
  --replace-percent 0    at the end so many of 100 documents are stored again, and all is measured once more
  --max-seconds 7200     adds no more after this
  --keep-free-mib 1500   stops when the machine has less memory left
  --seed 1               of the made-up collection
  --json FILE            the figures as JSON, too`;

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '1000000' },
    from: { type: 'string', default: '10000' },
    dims: { type: 'string', default: '1024' },
    queries: { type: 'string', default: '50' },
    'vectors-only': { type: 'boolean', default: false },
    'on-disk': { type: 'boolean', default: false },
    threads: { type: 'string', default: '2' },
    'replace-percent': { type: 'string', default: '0' },
    'max-seconds': { type: 'string', default: '7200' },
    'keep-free-mib': { type: 'string', default: '1500' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const print = (markdown) => process.stdout.write(`${markdown}\n\n`);

function count(name, least) {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < least) throw new Error(`--${name}: a whole number of ${least} or more`);
  return value;
}

const LIMIT = 10;
/** What the product asks of each leg for ten hits, and from how many vectors on it builds a graph. */
const [DEPTH, GRAPH_FROM] = [50, 10_000];
const CHUNK = 1_000;
const REPEATS = 4;

if (values.help) {
  print(USAGE);
  process.exit(0);
}
const withTexts = !values['vectors-only'];
const MODES = withTexts ? ['vector', 'text', 'hybrid'] : ['vector'];
const [passages, dimensions, queries] = [count('passages', 1), count('dims', 2), count('queries', 1)];
const corpus = makeCorpus({ passages, dimensions, queries, seed: count('seed', 1) });
const truth = new Truth(corpus);
const threads = count('threads', 1);
const replica = new Replica({ analyzer: createAnalyzer('english'), dimensions, graphFrom: GRAPH_FROM, threads });
const directory = values['on-disk'] ? mkdtempSync(join(tmpdir(), 'acervo-bench-index-')) : undefined;

/** As the product reads it from its database. */
function replicaDocument(number, revision, { vector, ranks }) {
  return {
    id: idOf(number),
    revision,
    content_revision: revision,
    columns: { metadata: metadataOf(number) },
    passages: withTexts ? [textOf(ranks)] : [],
    vectors: [{ ordinal: withTexts ? 0 : -1, embedding: vector }],
  };
}

/** What the index took, without what made the documents: seconds by the clock, and those of all its threads. */
const taken = { seconds: 0, processor_seconds: 0 };

function timed(work) {
  const [startedMs, before] = [performance.now(), process.cpuUsage()];
  work();
  const { user, system } = process.cpuUsage(before);
  taken.seconds += (performance.now() - startedMs) / 1000;
  taken.processor_seconds += (user + system) / 1e6;
}

/** Adds documents and builds on. */
function apply(documents) {
  timed(() => {
    for (const document of documents) replica.apply(document);
    while (replica.settle());
  });
}

const parsed = new Map(FILTERS.map(({ modulus, filter }) => [modulus, filter && parseFilter(filter)]));

/** What a search asks of the index, and the fusion that follows. */
function search(query, mode, { modulus }) {
  const { vector, text } = corpus.queries[query];
  const legs = replica.search({
    of: 'document',
    words: mode === 'vector' ? undefined : text.split(' '),
    match: 'any',
    vector: mode === 'text' ? undefined : vector,
    filter: parsed.get(modulus),
    minScore: undefined,
    require: [],
    depth: DEPTH,
  });
  const found = [legs.text, legs.vector].filter((leg) => leg !== undefined).map(({ documents }) => documents);
  const hits = found.length === 1 ? found[0] : fuseRrf(found);
  return { ids: hits.slice(0, LIMIT).map(({ id }) => id), method: legs.vector?.method };
}

function measureCell(mode, filter) {
  const [ms, methods, faults] = [[], new Set(), []];
  let recall = 0;
  for (let turn = 0; turn < REPEATS * queries; turn += 1) {
    const query = turn % queries;
    const startedMs = performance.now();
    const { ids, method } = search(query, mode, filter);
    ms.push(performance.now() - startedMs);
    if (method) methods.add(method);
    if (turn >= queries) continue;
    const asked = { query, mode, limit: LIMIT, modulus: filter.modulus, rrf: { k: 60, depth: DEPTH } };
    const judged = judge(truth, asked, ids);
    recall += judged.recall / queries;
    faults.push(...judged.faults.map((fault) => `${mode}, filter ${filter.name}, query ${query}: ${fault}`));
  }
  return { mode, filter: filter.name, methods: [...methods], recall_at_10: recall, ms: summary(ms), faults };
}

/** @param before the step before this one, or nothing that was taken yet */
function measureStep(documents, before) {
  global.gc?.();
  const { bytes, dead } = replica.size;
  const resident_bytes = process.memoryUsage().rss;
  const cells = FILTERS.flatMap((filter) => MODES.map((mode) => measureCell(mode, filter)));
  const [build_seconds, processor_seconds] = [taken.seconds, taken.processor_seconds];
  const step_rate = (documents - before.documents) / Math.max(build_seconds - before.build_seconds, 1e-9);
  const step = { documents, dead, build_seconds, processor_seconds, step_rate, bytes, resident_bytes, cells };
  const times = `built in ${fixed(build_seconds, 1)} s, ${fixed(processor_seconds, 1)} s of processors`;
  print(`## ${documents} documents, ${dead} dead: ${times}, resident ${mebibytes(resident_bytes)} MiB`);
  print(
    table(
      ['filter', 'mode', 'method', 'p50 / p95 / p99, ms', 'recall@10'],
      cells.map((cell) => [
        ...[cell.filter, cell.mode, cell.methods.join(', '), milliseconds(cell.ms), fixed(cell.recall_at_10, 4)],
      ]),
    ),
  );
  return step;
}

function curve(steps, wanted) {
  const plain = (step, mode) => step.cells.find((cell) => cell.mode === mode && cell.filter === 'none');
  const rows = steps.map((step) => [
    ...[step.documents, fixed(step.build_seconds, 1), fixed(step.processor_seconds, 1), fixed(step.step_rate, 0)],
    ...[mebibytes(step.bytes), mebibytes(step.resident_bytes)],
    ...MODES.flatMap((mode) => [milliseconds(plain(step, mode).ms), fixed(plain(step, mode).recall_at_10, 4)]),
  ]);
  const last = steps.at(-1);
  if (last !== undefined && last.documents < wanted) {
    const { build_seconds, bytes, resident_bytes } = extrapolated(steps, wanted);
    rows.push([
      ...[`${wanted}, *extrapolated*`, fixed(build_seconds, 0), '-', '-', mebibytes(bytes), mebibytes(resident_bytes)],
      ...MODES.flatMap(() => ['-', '-']),
    ]);
  }
  const header = [
    'documents',
    'built in, s',
    'of processors, s',
    'last step, documents/s',
    'index reckons, MiB',
    'resident, MiB',
  ];
  return table([...header, ...MODES.flatMap((mode) => [`${mode}: p50 / p95 / p99, ms`, 'recall@10'])], rows);
}

/** Stores so many of 100 documents again, as their next revision: others in their places, the answers the same. */
function replace(percent) {
  for (let at = 0; at < truth.known; at += CHUNK) {
    const numbers = Array.from({ length: Math.min(CHUNK, truth.known - at) }, (_, i) => at + i);
    const chosen = numbers.filter((number) => number % 100 < percent);
    apply(chosen.map((number) => replicaDocument(number, 2, corpus.documentOf(number))));
  }
}

const shape = { passages, dimensions, queries, texts: withTexts, on_disk: directory !== undefined, threads };
const result = { machine: machine(), shape, steps: [] };
print(`# Bench of the warm index\n\n\`${JSON.stringify({ ...result.machine, ...shape })}\``);
const [startedMs, maxSeconds] = [performance.now(), count('max-seconds', 1)];
const keepFreeBytes = count('keep-free-mib', 0) * 2 ** 20;
const steps = stepsTo(count('from', 1), passages);
const lastStep = () => result.steps.at(-1) ?? { documents: 0, build_seconds: 0 };
let stopped;
while (truth.known < passages && stopped === undefined) {
  const until = Math.min(truth.known + CHUNK, steps[0]);
  const made = [];
  for (let number = truth.known; number < until; number += 1) {
    const document = corpus.documentOf(number);
    truth.add(document);
    made.push(replicaDocument(number, 1, document));
  }
  apply(made);
  if (directory !== undefined) replica.moveVectorsToDisk(join(directory, 'vectors'));
  if (truth.known === steps[0]) {
    result.steps.push(measureStep(truth.known, lastStep()));
    steps.shift();
  }
  if ((performance.now() - startedMs) / 1000 > maxSeconds) stopped = 'time';
  if (availableBytes() < keepFreeBytes) stopped = 'memory';
}
if (stopped !== undefined && truth.known < passages) {
  print(`Stopped at ${truth.known} documents for want of ${stopped}.`);
  if (lastStep().documents !== truth.known && truth.known >= CHUNK)
    result.steps.push(measureStep(truth.known, lastStep()));
}
print(`## No filter, by number of documents\n\n${curve(result.steps, passages)}`);
const percent = count('replace-percent', 0);
if (percent > 0) {
  const { seconds, processor_seconds } = taken;
  replace(percent);
  const times = `${fixed(taken.seconds - seconds, 1)} s, ${fixed(taken.processor_seconds - processor_seconds, 1)} s of processors`;
  print(`## ${percent} % stored again in ${times}`);
  result.replaced = measureStep(truth.known, lastStep());
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
const faults = [...result.steps, ...(result.replaced ? [result.replaced] : [])].flatMap((step) =>
  step.cells.flatMap((cell) => cell.faults.map((fault) => `${step.documents}: ${fault}`)),
);
replica.close();
if (directory !== undefined) rmSync(directory, { recursive: true });
if (faults.length > 0) print(`## WRONG ANSWERS: ${faults.length}\n\n${faults.slice(0, 20).join('\n')}`);
process.exit(faults.length > 0 ? 1 : 0);
