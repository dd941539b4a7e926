// npm run bench -- [--quick] [--passages 20000,100000] [--engines embedded,server] [--series warm,lancedb,surrealql] …
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { makeCorpus } from './corpus.mjs';
import { benchHeap } from './heap.mjs';
import { benchHnsw } from './hnsw.mjs';
import { hasLancedb } from './lancedb.mjs';
import { findSurreal } from './product.mjs';
import { heapReport, hnswReport, machine } from './report.mjs';
import { benchEngine } from './search.mjs';
import { searchReport } from './search-report.mjs';

const SERIES = ['warm', 'lancedb', 'surrealql'];

const USAGE = `npm run bench -- [options]
  --passages 20000,100000        how many passages; one run after the other
  --dims 1024                    dimensions of a vector
  --queries 200                  how many queries; slow ones are asked fewer of them
  --engines embedded,server      the server needs SURREAL_BIN, or surreal on PATH
  --series warm,lancedb,surrealql   lancedb needs: npm ci --prefix bench
  --clients 1,16                 who ask at the same time
  --seconds 4                    of each mode, filter and number of clients
  --rate 200                     documents a second that arrive in the second half …
  --batches 2                    … in so many batches a second
  --fusion rrf                   of the product's hybrid search; recall is judged for rrf only
  --seed 1                       of the made-up collection
  --quick                        2 000 passages of 64 dimensions, 30 queries, one second
  --hnsw                         also: the effect of HNSW's m and ef (server)
  --heap                         only: the heap's slope over 50 000 bulk lines
  --json FILE                    the figures as JSON, too`;

const { values } = parseArgs({
  options: {
    passages: { type: 'string' },
    dims: { type: 'string' },
    queries: { type: 'string' },
    engines: { type: 'string', default: 'embedded,server' },
    series: { type: 'string', default: SERIES.join(',') },
    clients: { type: 'string', default: '1,16' },
    seconds: { type: 'string' },
    rate: { type: 'string', default: '200' },
    batches: { type: 'string', default: '2' },
    fusion: { type: 'string', default: 'rrf' },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    hnsw: { type: 'boolean', default: false },
    heap: { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const print = (markdown) => process.stdout.write(`${markdown}\n\n`);

function counts(name, fallback) {
  const list = String(values[name] ?? fallback)
    .split(',')
    .map(Number);
  if (list.some((value) => !Number.isSafeInteger(value) || value < 1))
    throw new Error(`--${name}: must be whole numbers of 1 or more`);
  return list;
}

function namesOf(option, known) {
  const wanted = values[option].split(',');
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`--${option}: of ${known.join(', ')}; not ${unknown.join(', ')}`);
  return known.filter((name) => wanted.includes(name));
}

function enginesOf(binary) {
  const wanted = namesOf('engines', ['server', 'embedded']);
  if (wanted.includes('server') && binary === undefined)
    print('Engine server: skipped, no binary (set SURREAL_BIN, or put surreal on PATH).');
  return wanted.filter((name) => name === 'embedded' || binary);
}

function seriesOf() {
  const wanted = namesOf('series', SERIES);
  if (wanted.includes('lancedb') && !hasLancedb())
    print('LanceDB: skipped, `@lancedb/lancedb` is not installed (npm ci --prefix bench).');
  return wanted.filter((name) => name !== 'lancedb' || hasLancedb());
}

async function main() {
  const defaults = values.quick
    ? { passages: 2_000, dims: 64, queries: 30, seconds: 1 }
    : { passages: '20000,100000', dims: 1024, queries: 200, seconds: 4 };
  const [[dimensions], [queries], [seed], [rate]] = [
    ...[counts('dims', defaults.dims), counts('queries', defaults.queries), counts('seed'), counts('rate')],
  ];
  const [batches] = counts('batches');
  const arriving = { batches, size: Math.ceil(rate / batches) };
  const seconds = Number(values.seconds ?? defaults.seconds);
  if (!(seconds > 0)) throw new Error('--seconds: must be a number above 0');
  const result = { machine: machine(), runs: [] };
  print(`# Bench\n\n\`${JSON.stringify({ ...result.machine, dimensions, queries, seed, fusion: values.fusion })}\``);
  if (values.heap) {
    result.heap = await benchHeap();
    print(heapReport(result.heap));
    return result;
  }
  const binary = findSurreal();
  const options = { clients: counts('clients'), seconds, arriving, series: seriesOf(), fusion: values.fusion, binary };
  const engines = enginesOf(binary);
  for (const passages of counts('passages', defaults.passages)) {
    const shape = { passages, dimensions, queries, seed };
    const corpus = makeCorpus(shape);
    for (const engine of engines) {
      const run = { passages, rate, ...(await benchEngine(engine, shape, corpus, options)) };
      result.runs.push(run);
      print(searchReport(run));
    }
    if (values.hnsw && binary) {
      const nodes = await benchHnsw(corpus, { binary });
      result.hnsw = [...(result.hnsw ?? []), { passages, nodes }];
      print(hnswReport(nodes));
    }
  }
  return result;
}

if (values.help) {
  print(USAGE);
  process.exit(0);
}
const result = await main();
if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
const faults = result.runs.flatMap(({ engine, passages, loads }) =>
  Object.entries(loads).flatMap(([load, of]) => of.faults.map((fault) => `${passages}, ${engine}, ${load}: ${fault}`)),
);
if (faults.length > 0) {
  const shown = faults.slice(0, 20).map((fault) => `- ${fault}`);
  print(`## WRONG ANSWERS, OR NONE: ${faults.length}\n\n${shown.join('\n')}`);
}
process.exit(faults.length > 0 ? 1 : 0);
