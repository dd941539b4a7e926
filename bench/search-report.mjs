// The tables of one engine's run. Every ratio is of figures from this run.
import { fixed, mebibytes, milliseconds, settledText, table } from './report.mjs';

const AIMS = { hybrid: 1, ingesting: 2, recall: 0.99 };

/** The cells of one load by filter, mode and clients, with those of each peer side by side. */
export function sideBySide({ cells, recalls }) {
  const rows = new Map();
  for (const { peer, clients, filter, mode, ...figures } of cells) {
    const key = `${clients}/${filter}/${mode}`;
    if (!rows.has(key)) rows.set(key, { clients, filter, mode, peers: {} });
    const { recall_at_10 } = recalls.find((r) => r.peer === peer && r.filter === filter && r.mode === mode) ?? {};
    rows.get(key).peers[peer] = { ...figures, recall_at_10 };
  }
  return [...rows.values()];
}

const ratio = (a, b, field) => (a && b ? fixed(a[field] / b[field]) : '-');

function loadTable(rows, peers) {
  const has = (name) => peers.includes(name);
  const ratios = [
    ...(has('Acervo') && has('LanceDB')
      ? [
          ['Acervo / LanceDB, p50', (p) => ratio(p.Acervo, p.LanceDB, 'p50')],
          ['p95', (p) => ratio(p.Acervo, p.LanceDB, 'p95')],
        ]
      : []),
    ...(has('Acervo') && has('SurrealQL')
      ? [['SurrealQL / Acervo, p50', (p) => ratio(p.SurrealQL, p.Acervo, 'p50')]]
      : []),
  ];
  const header = [
    'filter',
    'mode',
    ...peers.flatMap((name) => [`${name}, ms`, '/s', 'recall']),
    ...ratios.map(([n]) => n),
  ];
  return table(
    header,
    rows.map(({ filter, mode, peers: figures }) => [
      filter,
      mode,
      ...peers.flatMap((name) => {
        const of = figures[name];
        return of ? [milliseconds(of), fixed(of.requests_per_second, 0), fixed(of.recall_at_10, 4)] : ['-', '-', '-'];
      }),
      ...ratios.map(([, of]) => of(figures)),
    ]),
  );
}

/** What comes of documents arriving meanwhile: the p95 against that of the quiet time, and what arrived. */
function arrivalTable(idle, ingesting, peers) {
  return table(
    ['filter', 'mode', 'clients', ...peers.flatMap((name) => [`${name}, p95 / idle`, 'documents/s'])],
    ingesting.map(({ clients, filter, mode, peers: figures }) => {
      const before = idle.find((row) => row.clients === clients && row.filter === filter && row.mode === mode);
      return [
        filter,
        mode,
        clients,
        ...peers.flatMap((name) => [
          ratio(figures[name], before?.peers[name], 'p95'),
          fixed(figures[name]?.documents_per_second, 0),
        ]),
      ];
    }),
  );
}

function startTable({ ingest, warm, loads }) {
  const seconds = (value) => fixed(value, 1);
  return table(
    ['what', 'figure'],
    [
      ['documents stored through the bulk route, /s', fixed(ingest.documents_per_second, 0)],
      ['resident while storing, MiB: product', mebibytes(ingest.peak_resident_bytes.product)],
      ['resident while storing, MiB: database server', mebibytes(ingest.peak_resident_bytes.server)],
      ...Object.entries(warm ?? {}).map(([start, { listens_seconds, warm_seconds, built_seconds }]) => [
        `${start === 'first' ? 'start without a snapshot' : 'start with a snapshot'}: listens / warm / all built, s`,
        [listens_seconds, warm_seconds, built_seconds].map(seconds).join(' / '),
      ]),
      ['index compaction of the database', settledText(loads.idle.settled)],
      ...Object.entries(loads).flatMap(([load, { memory }]) =>
        memory.map(({ peer, resident_bytes }) => [`resident after ${load}, MiB: ${peer}`, mebibytes(resident_bytes)]),
      ),
    ],
  );
}

/** How long the product's main thread holds up others, by load and clients: the worst cell. */
function lagTable(loads) {
  const rows = Object.entries(loads).flatMap(([load, rows]) =>
    [...new Set(rows.map(({ clients }) => clients))].map((clients) => {
      const of = rows.filter((row) => row.clients === clients);
      const worst = (peer, field) => Math.max(...of.map(({ peers }) => peers[peer]?.[field] ?? Number.NaN));
      return [
        load,
        clients,
        fixed(worst('Acervo', 'lag_p99_ms'), 1),
        fixed(worst('SurrealQL', 'lag_p99_ms'), 1),
        `${fixed(100 * worst('Acervo', 'aside_share'), 1)} %`,
      ];
    }),
  );
  return table(['load', 'clients', 'Acervo, ms', 'SurrealQL, ms', 'Acervo: searches that the database answered'], rows);
}

function tuningText({ index, kinds, filters, load_seconds, index_columns_seconds, index_vectors_seconds }) {
  const settingsOf = (settings) => JSON.stringify(settings).replaceAll('"', '');
  const rows = filters.map(({ filter, settings, recall, p50 }) => [
    ...[filter, settingsOf(settings), fixed(recall, 4), fixed(p50)],
  ]);
  const tried = kinds
    .map(({ index: kind, best }) => `${kind} ${settingsOf(best.settings)} ${fixed(best.p50)} ms`)
    .join('; ');
  return [
    `LanceDB: ${index}, the quicker one of: ${tried}. Loaded in ${fixed(load_seconds, 1)} s, columns indexed in ${fixed(
      index_columns_seconds,
      1,
    )} s, vectors in ${fixed(index_vectors_seconds, 1)} s. For each filter the quickest settings with recall ≥ .99:`,
    table(['filter', 'settings', 'recall@10', 'p50, ms'], rows),
  ].join('\n\n');
}

/** What the product is to reach, and what it has reached: the worst row of each. */
export function aims({ idle, ingesting }) {
  const worst = (rows, of) => Math.max(...rows.map(of).filter((value) => value !== undefined && !Number.isNaN(value)));
  const hybrids = idle.filter(({ mode, peers }) => mode === 'hybrid' && peers.Acervo && peers.LanceDB);
  const arriving = ingesting.filter(({ peers }) => peers.Acervo);
  const before = (row) =>
    idle.find(({ clients, filter, mode }) => clients === row.clients && filter === row.filter && mode === row.mode);
  const missing = [...idle, ...arriving].map(({ peers }) => 1 - (peers.Acervo?.recall_at_10 ?? Number.NaN));
  return [
    [
      'hybrid over HTTP / LanceDB in process, p50',
      AIMS.hybrid,
      worst(hybrids, ({ peers }) => peers.Acervo.p50 / peers.LanceDB.p50),
    ],
    ['the same, p95', AIMS.hybrid, worst(hybrids, ({ peers }) => peers.Acervo.p95 / peers.LanceDB.p95)],
    [
      'p95 while documents arrive / idle',
      AIMS.ingesting,
      worst(arriving, (row) => row.peers.Acervo.p95 / (before(row)?.peers.Acervo.p95 ?? Number.NaN)),
    ],
    ['1 - recall@10', 1 - AIMS.recall, worst(missing, (value) => value)],
  ].filter(([, , reached]) => Number.isFinite(reached));
}

/** @param rate documents a second that were sent */
export function searchReport({ engine, passages, rate, tuning, ...run }) {
  const loads = { idle: sideBySide(run.loads.idle), ingesting: sideBySide(run.loads.ingesting) };
  const peers = ['Acervo', 'LanceDB', 'SurrealQL'].filter((name) => loads.idle.some((row) => row.peers[name]));
  const clients = [...new Set(loads.idle.map((row) => row.clients))];
  const titles = { idle: 'idle', ingesting: `while ${rate} documents/s arrive` };
  const searches = Object.entries(loads).flatMap(([load, rows]) =>
    clients.flatMap((count) => [
      `### ${count === 1 ? '1 client' : `${count} clients`}, ${titles[load]}`,
      loadTable(
        rows.filter((row) => row.clients === count),
        peers,
      ),
    ]),
  );
  return [
    `## ${passages} passages, engine ${engine}`,
    startTable({ ...run, loads: run.loads }),
    ...(tuning ? [tuningText(tuning)] : []),
    'Times are p50 / p95 / p99; Acervo and SurrealQL over HTTP, LanceDB in process; SurrealQL is Acervo without its warm index.',
    ...searches,
    `### p95 ${titles.ingesting}, against idle`,
    arrivalTable(loads.idle, loads.ingesting, peers),
    '### Main thread held up, p99, worst cell',
    lagTable(loads),
    ...aimsText(loads),
  ].join('\n\n');
}

function aimsText(loads) {
  const rows = aims(loads).map(([aim, most, reached]) => [
    ...[aim, most.toFixed(2), fixed(reached, 3), reached <= most ? 'met' : '**missed**'],
  ]);
  return rows.length === 0 ? [] : ['### Aims (the worst row of each)', table(['aim', 'at most', 'reached', ''], rows)];
}
