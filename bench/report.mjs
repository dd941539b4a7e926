import { cpus, totalmem } from 'node:os';

/** A Markdown table; numbers come rounded. */
export function table(header, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

export function fixed(value, digits = 2) {
  return value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits);
}

const mebibytes = (bytes) => (bytes ? (bytes / 2 ** 20).toFixed(0) : '-');
const milliseconds = ({ p50, p95, p99 }) => `${fixed(p50, 1)} / ${fixed(p95, 1)} / ${fixed(p99, 1)}`;

export function machine() {
  const [{ model } = {}] = cpus();
  return { cpus: cpus().length, model, memory_bytes: totalmem(), node: process.version, platform: process.platform };
}

function settledText(settled) {
  if (settled === undefined) return 'this engine does not compact in the background';
  return `${settled.settled ? 'settled' : '**not settled**'} after ${fixed(settled.seconds, 0)} s`;
}

/** The tables of one engine's run. */
export function engineReport({ engine, ingest, settled, resident_bytes, start_ms, groups }) {
  const general = table(
    ['what', 'figure'],
    [
      ['ingest, documents/s', fixed(ingest.documents_per_second, 0)],
      ['ingest, passages/s', fixed(ingest.passages_per_second, 0)],
      ['resident while loading, MiB: product', mebibytes(ingest.peak_resident_bytes.product)],
      ['resident while loading, MiB: server', mebibytes(ingest.peak_resident_bytes.server)],
      ['resident after all searches, MiB: product', mebibytes(resident_bytes.product)],
      ['resident after all searches, MiB: server', mebibytes(resident_bytes.server)],
      ['index compaction', settledText(settled)],
      ['start, first / second, ms', `${fixed(start_ms.first, 0)} / ${fixed(start_ms.second, 0)}`],
      ['start, second / first', fixed(start_ms.second / start_ms.first)],
    ],
  );
  const searches = table(
    [
      'filter',
      'mode',
      'how',
      'HTTP p50 / p95 / p99, ms',
      'n',
      'SDK p50 / p95 / p99, ms',
      'n',
      'HTTP / SDK, p50',
      'recall@10',
    ],
    groups.flatMap(({ modes }) =>
      modes.map(({ filter, mode, methods, http_ms, sdk_ms, recall_at_10 }) => [
        filter,
        mode,
        methods.join(', '),
        milliseconds(http_ms),
        http_ms.n,
        milliseconds(sdk_ms),
        sdk_ms.n,
        fixed(http_ms.p50 / sdk_ms.p50),
        fixed(recall_at_10, 4),
      ]),
    ),
  );
  const hybrid = table(
    ['filter', 'p50', 'p95'],
    groups.map(({ modes, slower_leg_ms }) => {
      const { filter, http_ms } = modes.find(({ mode }) => mode === 'hybrid');
      return [filter, fixed(http_ms.p50 / slower_leg_ms.p50), fixed(http_ms.p95 / slower_leg_ms.p95)];
    }),
  );
  const when = engine === 'server' ? 'interleaved with HTTP' : 'afterwards: one process at a time opens the directory';
  return [
    `## Engine: ${engine}`,
    general,
    `Search, limit 10; SDK: the same statements straight through the SDK, ${when}.`,
    searches,
    'HTTP hybrid / the slower of its two legs over HTTP, by query (aim: ≤ 1.2):',
    hybrid,
  ].join('\n\n');
}

export function hnswReport(nodes) {
  const [reference] = nodes;
  const rows = nodes.map(({ m, ef, http_ms, recall_at_10, ingest, settled }) => [
    m,
    ef,
    milliseconds(http_ms),
    http_ms.n,
    fixed(http_ms.p50 / reference.http_ms.p50),
    fixed(recall_at_10, 4),
    ingest ? fixed(ingest.documents_per_second, 0) : 'same index',
    settled ? settledText(settled) : 'same index',
  ]);
  const header = ['m', 'ef', 'p50 / p95 / p99, ms', 'n', '/ first', 'recall@10', 'documents/s', 'index compaction'];
  return ['## HNSW: m and ef (server, KNN of 10 over HTTP)', table(header, rows)].join('\n\n');
}

export function heapReport({ lines, bytes_per_line, standard_error }) {
  return [
    `## Heap over ${lines} small bulk lines`,
    table(['slope, bytes a line', 'standard error'], [[fixed(bytes_per_line, 1), fixed(standard_error, 1)]]),
  ].join('\n\n');
}
