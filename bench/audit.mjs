// npm run bench:audit -- [--engines embedded,server] [--rows 100000] [--rounds 20] [--writes 300]
// Series over 24 h of audit rows, from rollups and from the rows; pages of an agent; the audit row's share of a write.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { listAudit } from '../dist/audit/list.js';
import { rollUp } from '../dist/audit/rollup.js';
import { auditSeries } from '../dist/audit/series.js';
import { CursorSigner } from '../dist/http/cursor.js';
import { connect } from '../dist/surreal/connection.js';
import { readQueries } from '../dist/surreal/query-files.js';
import { applySchema } from '../dist/surreal/schema.js';
import { SessionDatabase } from '../dist/surreal/session-database.js';
import { findSurreal, startSurreal } from './product.mjs';
import { fixed, table } from './report.mjs';
import { summary } from './statistics.mjs';

const { values: args } = parseArgs({
  options: {
    engines: { type: 'string', default: 'embedded,server' },
    rows: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '20' },
    writes: { type: 'string', default: '300' },
  },
});
const ROWS = Number(args.rows);
const [ROUNDS, WRITES] = [Number(args.rounds), Number(args.writes)];
const BATCH = 1_000;
const DAY_MS = 86_400_000;
/** The day before yesterday: all of its rows are settled. */
const START_MS = (Math.floor(Date.now() / DAY_MS) - 2) * DAY_MS;
const SPAN = { from: new Date(START_MS).toISOString(), to: new Date(START_MS + DAY_MS).toISOString() };
const VALUES = {
  vectors: 'vectors_bench_4',
  dimensions: 4,
  hnsw_ef_construction: 100,
  hnsw_m: 8,
  language: 'english',
};

/** The commit of a change without its rows of the log: what a write would be if it were not audited. */
function withoutAudit(queries) {
  const whole = queries.get('transact/commit');
  const bare = whole.replace(/IF \$audit_values != NONE[\s\S]*?(?=RETURN \{ answer)/, '');
  if (bare === whole || bare.includes('INTO audit_log')) throw new Error('the commit of a change has another shape');
  return new Map([...queries, ['transact/commit', bare]]);
}

async function open(engine) {
  const directory = mkdtempSync(join(tmpdir(), 'acervo-bench-audit-'));
  const server = engine === 'server' ? await startSurreal(findSurreal()) : undefined;
  const url = server?.url ?? `rocksdb://${directory}/database`;
  const { username = 'root', password = 'root' } = server ?? {};
  const connection = await connect({ url, username, password, timeoutMs: 15_000 });
  const name = `audit_${randomUUID().replaceAll('-', '')}`;
  const queries = readQueries(VALUES);
  const options = { vectorIndex: 'none', timeoutMs: 120_000, operationTtlSeconds: 3600 };
  const session = async (database, of = queries) =>
    new SessionDatabase(connection, await connection.openSessions('bench', database), { ...options, queries: of });
  const [control, db, bare] = [
    await session(`${name}_control`),
    await session(name),
    await session(name, withoutAudit(queries)),
  ];
  await applySchema(control, db, { scope: name, values: VALUES, holder: name });
  const stop = async () => {
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  return { control, db, bare, stop };
}

const INSERT = `INSERT INTO audit_log $rows.map(|$row| { id: [<datetime> $row.time, <uuid> $row.uuid],
  timestamp: <datetime> $row.time, action: $row.action, status: $row.status, resource: $row.resource,
  agent_id: $row.agent_id, key_id: 'k' }) RETURN NONE`;

/** Rows at random times of a day by 20 agents; one more, `rare`, does something every 10 000 rows. */
async function fill(db) {
  let state = 7;
  const random = (below) => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return Math.floor((state / 4_294_967_296) * below);
  };
  for (let at = 0; at < ROWS; at += BATCH) {
    const rows = Array.from({ length: Math.min(BATCH, ROWS - at) }, (_, n) => ({
      time: new Date(START_MS + Math.floor(((at + n + Math.random()) * DAY_MS) / ROWS)).toISOString(),
      uuid: `01900000-0000-7000-8000-${(at + n).toString(16).padStart(12, '0')}`,
      action: ['CREATE', 'READ', 'UPDATE', 'DELETE'][random(4)],
      status: random(100) < 97 ? 'SUCCESS' : 'DENIED',
      resource: `${['artifact', 'knowledge', 'session', 'decision'][random(4)]}:r${random(5_000)}`,
      agent_id: (at + n) % 10_000 === 7 ? 'rare' : `a${random(20)}`,
    }));
    await db.run({ text: INSERT, params: { rows } });
  }
}

const seconds = async (work) => {
  const startedMs = performance.now();
  await work();
  return (performance.now() - startedMs) / 1000;
};

const milliseconds = ({ p50, p95 }) => `${fixed(p50, 1)} / ${fixed(p95, 1)}`;

/** Times in ms of what is asked in turn, a call of each a round, until the rounds or the seconds are over. */
async function inTurn(asked, withinSeconds) {
  const samples = Object.fromEntries(Object.keys(asked).map((name) => [name, []]));
  const deadlineMs = performance.now() + withinSeconds * 1000;
  for (let round = -1; round < ROUNDS && (round < 2 || performance.now() < deadlineMs); round += 1)
    for (const [name, ask] of Object.entries(asked)) {
      const startedMs = performance.now();
      await ask();
      if (round >= 0) samples[name].push(performance.now() - startedMs);
    }
  return samples;
}

async function measureSeries(ctx) {
  const asked = [
    ['1h by agent', { bucket: '1h', by: 'agent' }],
    ['1h of one agent, by action', { bucket: '1h', by: 'action', agent_id: 'a1' }],
    ['5m', { bucket: '5m', by: 'none' }],
    ['5m by agent', { bucket: '5m', by: 'agent' }],
    ['5m of one agent, by action', { bucket: '5m', by: 'action', agent_id: 'a1' }],
    ['1m', { bucket: '1m', by: 'none' }],
    ['1m by status', { bucket: '1m', by: 'status' }],
  ];
  const rows = [];
  for (const [name, query] of asked) {
    const { rollup } = await inTurn({ rollup: () => auditSeries(ctx, { ...query, ...SPAN }) }, 40);
    const { raw } = await inTurn({ raw: () => auditSeries(ctx, { ...query, ...SPAN }, true) }, 20);
    const [from, of] = [summary(rollup), summary(raw)];
    process.stdout.write(`- ${name}: ${milliseconds(from)} against ${milliseconds(of)}\n`);
    rows.push([name, milliseconds(from), milliseconds(of), `${from.n}, ${of.n}`, fixed(of.p50 / from.p50, 1)]);
  }
  return table(['series over 24 h', 'rollup p50 / p95, ms', 'raw p50 / p95, ms', 'n', 'raw / rollup, p50'], rows);
}

async function measurePages(ctx) {
  const pages = (filter) => () => listAudit(ctx, { order: 'desc', limit: 50, ...filter });
  const asked = {
    'the newest': pages({}),
    'of an agent among twenty': pages({ agent_id: 'a1' }),
    'of an agent with few rows': pages({ agent_id: 'rare' }),
    'of an agent without rows': pages({ agent_id: 'nobody' }),
    'of a key without rows': pages({ key_id: 'nobody' }),
  };
  const samples = await inTurn(asked, 60);
  const rows = Object.entries(samples).map(([name, of]) => [name, milliseconds(summary(of)), of.length]);
  return table(['page of 50', 'p50 / p95, ms', 'n'], rows);
}

/** New sessions, one with its audit row and one without, in turn. */
async function measureWrites({ db, bare }) {
  const write = async (into) => {
    const id = randomUUID();
    const row = {
      status: 'active',
      state: { step: 1 },
      metadata: {},
      vector_names: [],
      state_digest: 'd',
      agent_id: 'a1',
    };
    const columns = { status: 'active', metadata: {} };
    const startedMs = performance.now();
    await into.transact({
      query: 'sessions/put',
      params: { id, row, expected_revision: 0, attach: [], detach: [], audit_values: [{ salt: 's', columns }] },
      operation: { id: randomUUID(), request_digest: '' },
      audit: { resource: `session:${id}`, agent_id: 'a1', key_id: 'k', address: '127.0.0.1', request_id: id },
    });
    return performance.now() - startedMs;
  };
  const samples = { with: [], without: [] };
  for (let n = -10; n < WRITES; n += 1) {
    const pair = n % 2 === 0 ? ['with', 'without'] : ['without', 'with'];
    for (const which of pair) {
      const ms = await write(which === 'with' ? db : bare);
      if (n >= 0) samples[which].push(ms);
    }
  }
  const [audited, plain] = [summary(samples.with), summary(samples.without)];
  const share = (which) => `${fixed(100 * (1 - plain[which] / audited[which]), 0)} %`;
  return table(
    ['a new session', 'with its audit row p50 / p95, ms', 'without, ms', 'share of the row, p50', 'p95'],
    [['one writer', milliseconds(audited), milliseconds(plain), share('p50'), share('p95')]],
  );
}

for (const engine of args.engines.split(',')) {
  if (engine === 'server' && findSurreal() === undefined) continue;
  const { control, db, bare, stop } = await open(engine);
  const clock = () => new Date();
  const cursors = new CursorSigner({ secret: randomBytes(32), clock, ttlSeconds: 3600 });
  const ctx = { db, control, clock, cursors, log: pino({ level: 'silent' }), principal: { key_id: 'k' } };
  try {
    const writes = await measureWrites({ db, bare });
    await db.run({ text: 'DELETE audit_log; DELETE audit_values', params: {} });
    const filled = await seconds(() => fill(db));
    // A row of today, behind which all others are settled.
    await db.transact({
      query: 'audit/record',
      params: { action: 'READ', status: 'SUCCESS' },
      operation: { id: randomUUID(), request_digest: '' },
      audit: { resource: 'route' },
    });
    const rolled = await seconds(() => rollUp({ db, control }, { holder: randomUUID(), fineSeriesDays: 3_650 }));
    // At once: what follows takes minutes.
    process.stdout.write(`# ${engine}: ${ROWS} rows rolled up in ${fixed(rolled, 0)} s\n\n`);
    const speed = `${ROWS} rows: written in ${fixed(filled, 0)} s, rolled up in ${fixed(rolled, 0)} s (${fixed(ROWS / rolled, 0)} rows/s)`;
    const series = await measureSeries(ctx);
    const pages = await measurePages(ctx);
    process.stdout.write(`## Audit log: ${engine}\n\n${speed}\n\n${series}\n\n${pages}\n\n${writes}\n\n`);
  } finally {
    await stop();
  }
}
process.exit(0);
