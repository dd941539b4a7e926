// Times of lineages over a random graph, on the embedded engine or on a server.
//   npm run bench:lineage -- [--nodes 20000] [--asked 100] [--url ws://127.0.0.1:8000]
// Edges are five times as many as nodes. A step over one edge, as one statement of SurrealQL, is the measure beside it.
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ALL_SCOPES } from '../dist/keys/scopes.js';
import { lineageOf } from '../dist/lineage/lineage.js';
import { lineageReader } from '../dist/lineage/read.js';
import { LINEAGE_BOUNDS, walkLineages } from '../dist/lineage/walk.js';
import { connect } from '../dist/surreal/connection.js';
import { readQueries } from '../dist/surreal/query-files.js';
import { applySchema } from '../dist/surreal/schema.js';
import { SessionDatabase } from '../dist/surreal/session-database.js';
import { mulberry32 } from './corpus.mjs';

const { values: args } = parseArgs({
  options: {
    nodes: { type: 'string', default: '20000' },
    asked: { type: 'string', default: '100' },
    url: { type: 'string' },
  },
});
const NODES = Number(args.nodes);
const ASKED = Number(args.asked);
const BATCH = 1_000;
const TABLES = {
  knowledge: 'knowledge_index',
  artifact: 'minio_references',
  decision: 'agent_decisions',
  session: 'workspace_sessions',
  agent: 'agents',
};
/** Shares of the nodes, and of the edges. */
const KINDS = { knowledge: 0.3, artifact: 0.3, decision: 0.29, session: 0.1, agent: 0.01 };
const RELATIONS = [
  ['decides', 'agent', 'decision', 0.05],
  ['supports', 'knowledge', 'decision', 0.4],
  ['derived_from', 'knowledge', 'artifact', 0.25],
  ['produces', 'session', 'artifact', 0.15],
  ['produces', 'decision', 'artifact', 0.15],
];

async function open(directory) {
  const url = args.url ?? `rocksdb://${directory}/database`;
  const connection = await connect({ url, username: 'root', password: 'root', timeoutMs: 15_000 });
  const values = {
    vectors: 'vectors_bench_4',
    dimensions: 4,
    hnsw_ef_construction: 100,
    hnsw_m: 8,
    language: 'english',
  };
  const name = `lineage_${randomUUID().replaceAll('-', '')}`;
  const options = { queries: readQueries(values), vectorIndex: 'none', timeoutMs: 60_000, operationTtlSeconds: 60 };
  const session = async (database) =>
    new SessionDatabase(connection, await connection.openSessions('bench', database), options);
  const [control, db] = [await session(`${name}_control`), await session(name)];
  await applySchema(control, db, { scope: name, values, holder: name });
  // Rows with no more than a lineage shows; indexes and the other columns are not what is measured.
  const bare = Object.values(TABLES).map((table) => `REMOVE TABLE ${table}; DEFINE TABLE ${table};`);
  await db.run({ text: bare.join('\n'), params: {} });
  return db;
}

async function fill(db) {
  const random = mulberry32(7);
  const counts = Object.fromEntries(Object.entries(KINDS).map(([kind, share]) => [kind, Math.round(NODES * share)]));
  const created_at = new Date();
  for (const [kind, count] of Object.entries(counts))
    for (let at = 0; at < count; at += BATCH) {
      const rows = Array.from({ length: Math.min(BATCH, count - at) }, (_, n) => ({
        ...{ id: `n${at + n}`, created_at, title: `Title ${at + n}`, agent_id: `n${(at + n) % counts.agent}` },
      }));
      await db.run({ text: `INSERT INTO ${TABLES[kind]} $rows RETURN NONE`, params: { rows } });
    }
  for (const [relation, from, to, share] of RELATIONS)
    for (let at = 0, count = Math.round(NODES * 5 * share); at < count; at += BATCH) {
      const rows = Array.from({ length: Math.min(BATCH, count - at) }, () => {
        const [one, other] = [from, to].map((kind) => `n${Math.floor(random() * counts[kind])}`);
        return { id: relation === 'produces' ? [from, one, other] : [one, other], one, other };
      });
      const text = `INSERT RELATION IGNORE INTO ${relation} $rows.map(|$row| { id: $row.id,
        in: type::record('${TABLES[from]}', $row.one), out: type::record('${TABLES[to]}', $row.other) }) RETURN NONE`;
      await db.run({ text, params: { rows } });
    }
  return counts;
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

async function timed(label, starts, ask) {
  const times = [];
  let nodes = 0;
  let cut = 0;
  for (const start of starts) {
    const began = performance.now();
    const answer = await ask(start);
    times.push(performance.now() - began);
    nodes += answer?.nodes?.length ?? 0;
    cut += answer?.truncated ? 1 : 0;
  }
  times.sort((a, b) => a - b);
  const [p50, p95] = [at(times, 0.5), at(times, 0.95)].map((ms) => `${ms.toFixed(1)} ms`.padStart(9));
  const mean = Math.round(nodes / starts.length);
  console.log(`${label.padEnd(26)} p50 ${p50}  p95 ${p95}  ${mean} nodes on average, ${cut} of ${starts.length} cut`);
}

const directory = await mkdtemp(join(tmpdir(), 'acervo-bench-'));
const db = await open(directory);
const began = performance.now();
const counts = await fill(db);
console.log(`${NODES} nodes, ${NODES * 5} edges in ${((performance.now() - began) / 1000).toFixed(0)} s`);
const random = mulberry32(11);
const kinds = ['knowledge', 'artifact', 'decision'];
const starts = Array.from(
  { length: ASKED },
  (_, n) => `${kinds[n % 3]}:n${Math.floor(random() * counts[kinds[n % 3]])}`,
);
const ctxOf = (without = []) => ({
  db,
  principal: { scopes: new Set(ALL_SCOPES.filter((scope) => !without.includes(scope))) },
});

await timed('one edge, one statement', starts, async (start) => {
  const [kind, id] = start.split(':');
  const text = `SELECT ->? AS below, <-? AS above FROM type::record('${TABLES[kind]}', $id)`;
  await db.run({ text, params: { id } });
});
for (const depth of [2, 5])
  for (const direction of ['up', 'down', 'both'])
    await timed(`depth ${depth} ${direction}`, starts, (start) => lineageOf(ctxOf(), start, { direction, depth }));
// Such a key reads every edge and its far end, not only the edges' ids.
for (const depth of [2, 5])
  await timed(`depth ${depth} both, some kinds`, starts, (start) =>
    lineageOf(ctxOf(['sessions:read']), start, { direction: 'both', depth }),
  );
const hits = Array.from({ length: 10 }, (_, page) => starts.slice(page * 10, page * 10 + 10)).filter(
  (page) => page.length > 0,
);
await timed('10 hits, depth 2', hits, async (page) => {
  const nodes = await lineageReader(ctxOf()).nodes(page);
  const options = { directions: ['up', 'down'], depth: 2, bounds: { ...LINEAGE_BOUNDS, nodes: 50, edges: 100 } };
  const lineages = await walkLineages(lineageReader(ctxOf()), nodes, options);
  return [...lineages.values()][0];
});
rmSync(directory, { recursive: true, force: true });
process.exit(0);
