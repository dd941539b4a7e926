import { cpus, totalmem } from 'node:os';

/** A Markdown table; numbers come rounded. */
export function table(header, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

export function fixed(value, digits = 2) {
  return value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits);
}

export const mebibytes = (bytes) => (bytes ? (bytes / 2 ** 20).toFixed(0) : '-');

export function machine() {
  const [{ model } = {}] = cpus();
  return { cpus: cpus().length, model, memory_bytes: totalmem(), node: process.version, platform: process.platform };
}

/** So many samples make a percentile worth telling. */
const SAMPLES_FOR = { p95: 20, p99: 100 };

/** p50, p95 and p99; a dash for one that there are too few samples for. */
export function milliseconds({ n, p50, p95, p99 }) {
  return [p50, n < SAMPLES_FOR.p95 ? undefined : p95, n < SAMPLES_FOR.p99 ? undefined : p99]
    .map((value) => fixed(value, value < 10 ? 2 : 1))
    .join(' / ');
}

export function settledText(settled) {
  if (settled === undefined) return 'this engine does not compact in the background';
  return `${settled.settled ? 'settled' : '**not settled**'} after ${fixed(settled.seconds, 0)} s`;
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
