// npm run eval:heldout -- <dir> [<dir>...]
// What fusion `auto` is worth where nobody tuned it. The text lists come from the product, the vector lists are made here
// by brute force, for vectors of several qualities: those of the collection, the same with noise, and hashed ones.
// 1. Each setting: auto against the best of text, vectors, RRF and weighted .6/.4.
// 2. The one number that could have been fitted, a factor on the trust in vectors: chosen on one collection and judged on
//    the others, chosen on half of the queries and judged on the other half. The product uses 1.
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { mulberry32 } from '../bench/corpus.mjs';
import { removeDirectory, startProduct, temporaryDirectory } from '../bench/product.mjs';
import { fixed, table } from '../bench/report.mjs';
import { hashText } from '../dist/embeddings/hashing.js';
import { adaptiveWeights, readProbe, trustOf } from '../dist/search/adaptive.js';
import { fuseRrf, fuseStandardised, fuseWeighted } from '../dist/search/fusion.js';
import { readCollection } from './collection.mjs';
import { ndcg } from './metrics.mjs';

const DEPTH = 100;
const PROBES = 128;
const NOISES = [0.7, 1.5, 3];
const HASHED_DIMENSIONS = [64, 256, 1024];
const FACTORS = [0.25, 0.5, 0.7, 1, 1.4, 2, 4];
const LAST_PLACE = 10;

const textOf = ({ title, text }) => (title ? `${title} ${text}` : text);

function unit(vector) {
  const length = Math.hypot(...vector);
  return Float32Array.from(vector, (value) => value / length);
}

/** A unit vector with Gaussian noise of the given length, and of unit length again. */
function noisy(vector, noise, random) {
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return unit(vector.map((value) => value + (noise * normal()) / Math.sqrt(vector.length)));
}

function nearest(documents, query) {
  const hits = documents.map(({ id, vector }) => {
    let score = 0;
    for (let at = 0; at < query.length; at++) score += vector[at] * query[at];
    return { id, score };
  });
  return hits.sort((a, b) => b.score - a.score).slice(0, DEPTH);
}

/** Text lists of the queries, and of the passages that are probed. */
async function textLists(product, texts) {
  const lists = [];
  for (const query of texts) {
    const { hits } = await product.search({
      mode: 'text',
      query: query.slice(0, 10_000),
      limit: DEPTH,
      candidates: DEPTH,
    });
    lists.push(hits.map(({ id, score }) => ({ id, score })));
  }
  return lists;
}

/** Ways to make vectors: of what kind they are, and those of documents and queries. */
function* embeddings({ documents, queries }) {
  const given = (entries) => entries.map(({ id, vector }) => ({ id, vector: Float32Array.from(vector) }));
  yield { name: 'as given', provider: 'caller', documents: given(documents), queries: given(queries) };
  for (const noise of NOISES) {
    const random = mulberry32(7);
    const spoilt = (entries) => entries.map(({ id, vector }) => ({ id, vector: noisy(vector, noise, random) }));
    yield { name: `noise ${noise}`, provider: 'caller', documents: spoilt(documents), queries: spoilt(queries) };
  }
  for (const dimensions of HASHED_DIMENSIONS) {
    const hashed = (entries) => entries.map((entry) => ({ id: entry.id, vector: hashText(textOf(entry), dimensions) }));
    yield { name: `hashed ${dimensions}`, provider: 'hashing', documents: hashed(documents), queries: hashed(queries) };
  }
}

const OTHERS = {
  text: (_, text) => text,
  vector: (vector) => vector,
  rrf: (vector, text) => fuseRrf([vector, text]),
  weighted: (vector, text) => fuseWeighted([vector, text], { weights: [0.6, 0.4] }),
};

function auto(trust, factor) {
  return (vector, text) => {
    const weights = adaptiveWeights({ ...trust, vector: factor * trust.vector }, { vector, text });
    return fuseStandardised([vector, text], { weights: [weights.vector, weights.text], floors: [undefined, 0] });
  };
}

/** nDCG@10 of every judged query, in their order. */
function scores(judged, fuse) {
  return judged.map(({ vector, text, grades }) =>
    ndcg(
      fuse(vector, text).map(({ id }) => id),
      grades,
      LAST_PLACE,
    ),
  );
}

async function settingsOf(directory) {
  const name = basename(directory);
  const collection = readCollection(directory);
  collection.documents = collection.documents.filter((document) => textOf(document).trim() !== '');
  const { documents, queries, judgements } = collection;
  const data = temporaryDirectory();
  const product = await startProduct({
    ACERVO_DATA_DIR: data,
    ACERVO_EMBEDDER: 'caller',
    ACERVO_EMBEDDING_DIMENSIONS: '2',
    ACERVO_LANGUAGE: name.endsWith('_pt') ? 'portuguese' : 'english',
  });
  await product.bulk(
    documents.map((document) => `${JSON.stringify({ id: document.id, passages: [{ text: textOf(document) }] })}\n`),
  );
  const distance = Math.max(1, documents.length / PROBES);
  const probed = documents.filter((_, at) => Math.floor((at + 1) / distance) > Math.floor(at / distance));
  const wordsOfQueries = await textLists(product, queries.map(textOf));
  const wordsOfProbes = await textLists(product, probed.map(textOf));
  await product.stop();
  removeDirectory(data);
  return [...embeddings(collection)].map((made) => {
    const vectors = new Map(made.documents.map(({ id, vector }) => [id, vector]));
    const probes = probed.map(({ id }, at) =>
      readProbe(id, { vector: nearest(made.documents, vectors.get(id)), text: wordsOfProbes[at] }),
    );
    const judged = made.queries.flatMap(({ id, vector }, at) => {
      const grades = judgements.get(id) ?? new Map();
      if (![...grades.values()].some((grade) => grade > 0)) return [];
      return [{ vector: nearest(made.documents, vector), text: wordsOfQueries[at], grades }];
    });
    const trust = trustOf(probes, { provider: made.provider, documents: documents.length });
    return {
      collection: name,
      name: made.name,
      trust,
      others: Object.values(OTHERS).map((fuse) => scores(judged, fuse)),
      byFactor: new Map(FACTORS.map((factor) => [factor, scores(judged, auto(trust, factor))])),
    };
  });
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const signed = (value) => `${value < 0 ? '-' : '+'}${fixed(Math.abs(value), 3)}`;

/** How far auto is above the best of the others, over the queries that `keeps` names. */
function lead({ others, byFactor }, factor, keeps = () => true) {
  const over = (values) => mean(values.filter((_, at) => keeps(at)));
  return over(byFactor.get(factor)) - Math.max(...others.map(over));
}

/** The factor whose worst lead is best, and what that factor does elsewhere. */
function heldOut(label, fitted, judged) {
  const worst = (leads) => Math.min(...leads);
  const factor = FACTORS.reduce((best, next) => (worst(fitted(next)) > worst(fitted(best)) ? next : best));
  return [
    label,
    String(factor),
    signed(worst(fitted(factor))),
    signed(worst(judged(factor))),
    signed(worst(judged(1))),
  ];
}

const { positionals } = parseArgs({ allowPositionals: true });
if (positionals.length === 0) {
  process.stderr.write('npm run eval:heldout -- <dir> [<dir>...]: collections as for npm run eval\n');
  process.exit(2);
}
const settings = [];
for (const directory of positionals) settings.push(...(await settingsOf(directory)));
const rows = settings.map((setting) => [
  `${setting.collection}, ${setting.name}`,
  fixed(setting.trust.vector, 2),
  ...setting.others.map((values) => fixed(mean(values), 3)),
  fixed(mean(setting.byFactor.get(1)), 3),
  signed(lead(setting, 1)),
]);
process.stdout.write(
  `${table(['nDCG@10', 'trust', 'text', 'vector', 'rrf', 'weighted', 'auto', 'to the best'], rows)}\n\n`,
);
const collections = [...new Set(settings.map(({ collection }) => collection))];
const folds = collections.flatMap((name) => {
  const [own, others] = [true, false].map((same) => settings.filter((one) => (one.collection === name) === same));
  const across = (factor) => own.map((setting) => lead(setting, factor));
  const elsewhere = (factor) => others.map((setting) => lead(setting, factor));
  const half = (rest) => (factor) => own.map((setting) => lead(setting, factor, (at) => at % 2 === rest));
  return [
    ...(others.length === 0 ? [] : [heldOut(`${name} → the others`, across, elsewhere)]),
    heldOut(`${name}, even → odd queries`, half(0), half(1)),
    heldOut(`${name}, odd → even queries`, half(1), half(0)),
  ];
});
const head = ['fitted → judged', 'factor', 'worst, fitted', 'worst, judged', 'worst, judged, factor 1'];
process.stdout.write(`${table(head, folds)}\n`);
