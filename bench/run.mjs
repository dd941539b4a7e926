// npm run bench -- [--quick] [--passages 20000] [--dims 1024] [--queries 200] [--engines embedded,server] …
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { makeCorpus, truthOf } from './corpus.mjs';
import { benchHeap } from './heap.mjs';
import { benchHnsw } from './hnsw.mjs';
import { findSurreal } from './product.mjs';
import { engineReport, heapReport, hnswReport, machine } from './report.mjs';
import { benchEngine } from './search.mjs';

const USAGE = `npm run bench -- [options]
  --passages 20000               how many passages
  --passages-per-document 1      how many of them make a document
  --dims 1024                    dimensions of a vector
  --queries 200                  how many queries; slow series end earlier
  --engines embedded,server      the server needs SURREAL_BIN, or surreal on PATH
  --seed 1                       of the made-up collection
  --quick                        2 000 passages of 64 dimensions, 30 queries
  --hnsw                         also: the effect of HNSW's m and ef (server)
  --heap                         only: the heap's slope over 50 000 bulk lines
  --json FILE                    the figures as JSON, too`;

const { values } = parseArgs({
  options: {
    passages: { type: 'string' },
    'passages-per-document': { type: 'string', default: '1' },
    dims: { type: 'string' },
    queries: { type: 'string' },
    engines: { type: 'string', default: 'embedded,server' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    hnsw: { type: 'boolean', default: false },
    heap: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function count(name, fallback) {
  const value = Number(values[name] ?? fallback);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name}: must be a whole number of 1 or more`);
  return value;
}

function shapeOf() {
  const defaults = values.quick
    ? { passages: 2_000, dims: 64, queries: 30 }
    : { passages: 20_000, dims: 1024, queries: 200 };
  return {
    passages: count('passages', defaults.passages),
    perDocument: count('passages-per-document'),
    dimensions: count('dims', defaults.dims),
    queries: count('queries', defaults.queries),
    seed: count('seed'),
  };
}

/** The engines asked for, the server first: the embedded engine never leaves a process that has opened it. */
function enginesOf(binary) {
  const wanted = values.engines.split(',');
  const unknown = wanted.filter((name) => name !== 'embedded' && name !== 'server');
  if (unknown.length > 0) throw new Error(`--engines: embedded, server or both; not ${unknown.join(', ')}`);
  if (wanted.includes('server') && binary === undefined)
    print('Engine server: skipped, no binary (set SURREAL_BIN, or put surreal on PATH).');
  return ['server', 'embedded'].filter((name) => wanted.includes(name) && (name === 'embedded' || binary));
}

const print = (markdown) => process.stdout.write(`${markdown}\n\n`);

async function main() {
  const shape = shapeOf();
  const result = { machine: machine(), shape, engines: [] };
  print(`# Bench\n\n\`${JSON.stringify({ ...result.machine, ...shape })}\``);
  if (values.heap) {
    result.heap = await benchHeap();
    print(heapReport(result.heap));
    return { result, faults: [] };
  }
  const binary = findSurreal();
  const engines = enginesOf(binary);
  const corpus = makeCorpus(shape);
  const truths = truthOf(corpus);
  for (const name of engines) {
    const report = await benchEngine(name, corpus, truths, { binary });
    result.engines.push(report);
    print(engineReport(report));
  }
  if (values.hnsw && binary) {
    result.hnsw = await benchHnsw(corpus, truths, { binary });
    print(hnswReport(result.hnsw));
  }
  const faults = result.engines.flatMap(({ engine, groups }) =>
    groups.flatMap((group) => group.faults.map((fault) => `${engine}: ${fault}`)),
  );
  return { result, faults };
}

if (values.help) {
  print(USAGE);
  process.exit(0);
}
const { result, faults } = await main();
if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
if (faults.length > 0) {
  const shown = faults.slice(0, 20).map((fault) => `- ${fault}`);
  print(`## WRONG ANSWERS: ${faults.length}\n\n${shown.join('\n')}`);
}
// The embedded engine keeps a process alive that has opened it.
process.exit(faults.length > 0 ? 1 : 0);
