// npm run eval -- <dir> [<dir>...] [--language english] [--json FILE]
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { removeDirectory, startProduct, temporaryDirectory } from '../bench/product.mjs';
import { fixed, table } from '../bench/report.mjs';
import { readCollection } from './collection.mjs';
import { evaluate } from './metrics.mjs';

const USAGE = `npm run eval -- <dir> [<dir>...] [--language english] [--json FILE]
  <dir>       a collection: documents.jsonl, queries.jsonl, qrels.tsv, doc_emb.npy, query_emb.npy
  --language  of the analyzer; without it, portuguese where a folder's name ends in _pt, else english`;

const LIMIT = 100;
const CANDIDATES = 1000;

/** The ways to search; all but `auto` as the reference figures were made. */
const WAYS = {
  text: ({ text }) => ({ mode: 'text', query: text }),
  vector: ({ vector }) => ({ mode: 'vector', vector }),
  rrf: ({ text, vector }) => ({ mode: 'hybrid', fusion: 'rrf', query: text, vector }),
  weighted: ({ text, vector }) => ({
    mode: 'hybrid',
    fusion: 'weighted',
    weights: { vector: 0.6, text: 0.4 },
    query: text,
    vector,
  }),
  auto: ({ text, vector }) => ({ mode: 'hybrid', fusion: 'auto', query: text, vector }),
};

const TRUST_TIMEOUT_MS = 300_000;
const TRUST_POLL_MS = 500;
/** As long as there are fewer times more documents than were measured, the product measures no more. */
const MEASURED_ENOUGH = 1.5;

const MEASURES = ['ndcg_at_10', 'recall_at_100', 'precision_at_5'];
const REFERENCES = JSON.parse(readFileSync(new URL('reference.json', import.meta.url), 'utf8'));

/**
 * A collection's documents as bulk lines, one passage each. The title goes with the text: both were embedded as one.
 * A document without any text cannot be stored, nor found.
 */
function linesOf(documents) {
  return documents
    .map(({ id, title, text, vector }) => ({ id, passages: [{ text: title ? `${title} ${text}` : text, vector }] }))
    .filter(({ passages: [{ text }] }) => text.trim() !== '')
    .map((line) => `${JSON.stringify(line)}\n`);
}

async function rank(product, queries, requestOf) {
  const rankings = new Map();
  for (const query of queries) {
    const { hits } = await product.search({ ...requestOf(query), limit: LIMIT, candidates: CANDIDATES });
    rankings.set(
      query.id,
      hits.map(({ id }) => id),
    );
  }
  return rankings;
}

/** Waits until the product has measured its legs. @returns the trust that its plan tells of */
async function measuredTrust(product, { text: query, vector }, stored) {
  const deadlineMs = performance.now() + TRUST_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    const { plan } = await product.search({ mode: 'hybrid', query, vector, limit: 1 });
    if (plan.trust.documents * MEASURED_ENOUGH >= stored) return plan.trust;
    await sleep(TRUST_POLL_MS);
  }
  throw new Error('the product did not measure its legs');
}

/** @returns the measures of each way to search, and the trust that fusion `auto` went by */
async function evaluateCollection(directory, language) {
  const { documents, queries, judgements, dimensions } = readCollection(directory);
  const data = temporaryDirectory();
  const product = await startProduct({
    ACERVO_DATA_DIR: data,
    ACERVO_EMBEDDER: 'caller',
    ACERVO_EMBEDDING_DIMENSIONS: String(dimensions),
    ACERVO_LANGUAGE: language,
  });
  const stored = await product.bulk(linesOf(documents));
  const trust = await measuredTrust(product, queries[0], stored);
  const figures = {};
  for (const [way, requestOf] of Object.entries(WAYS))
    figures[way] = evaluate(await rank(product, queries, requestOf), judgements);
  await product.stop();
  removeDirectory(data);
  return { documents: documents.length, stored, trust, figures };
}

function report(name, language, { documents, stored, trust, figures }) {
  const reference = REFERENCES[name];
  const row = (label, write) => [label, ...MEASURES.map(write)];
  const rows = Object.entries(figures).flatMap(([way, measured]) => {
    const expected = reference?.[way];
    const own = row(way, (measure) => fixed(measured[measure], 3));
    if (expected === undefined) return [own];
    return [
      own,
      row('… reference', (measure) => fixed(expected[measure], 3)),
      row('… difference', (measure) => signed(measured[measure] - expected[measure])),
    ];
  });
  const { queries } = figures.text;
  const left = stored < documents ? ` (${documents - stored} without text left out)` : '';
  const title = `## ${name}: ${documents} documents${left}, ${queries} queries, ${language}`;
  const { auto, ...others } = figures;
  const best = Math.max(...Object.values(others).map(({ ndcg_at_10 }) => ndcg_at_10));
  const verdict =
    `auto: trust in vectors ${fixed(trust.vector, 2)}, in words ${fixed(trust.text, 2)}, by ${trust.probes} probes; ` +
    `nDCG@10 ${signed(auto.ndcg_at_10 - best)} to the best of the others`;
  return [title, table(['', 'nDCG@10', 'recall@100', 'P@5'], rows), verdict].join('\n\n');
}

const signed = (value) => `${value < 0 ? '-' : '+'}${fixed(Math.abs(value), 3)}`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { language: { type: 'string' }, json: { type: 'string' }, help: { type: 'boolean', default: false } },
});
if (values.help || positionals.length === 0) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(values.help ? 0 : 2);
}
const results = {};
for (const directory of positionals) {
  const name = basename(resolve(directory));
  const language = values.language ?? (name.endsWith('_pt') ? 'portuguese' : 'english');
  results[name] = { language, ...(await evaluateCollection(directory, language)) };
  process.stdout.write(`${report(name, language, results[name])}\n\n`);
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
