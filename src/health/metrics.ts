import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { EmbeddingUsage } from '../embeddings/port.js';
import { unusedYet } from '../embeddings/usage.js';

type RequestLabel = 'method' | 'route' | 'status';

/** What a node counts, typed: a counter that is not here does not exist. */
export interface Metrics {
  /** Its own, not prom-client's global one: two apps in a process (tests) stay apart. */
  registry: Registry;
  /** The embedder's own counters, read when somebody asks. */
  embeddingUsage: EmbeddingUsage;
  httpRequests: Counter<RequestLabel>;
  httpDuration: Histogram<RequestLabel>;
  databaseTransactions: Counter;
  databaseConflicts: Counter;
  documentsStored: Counter;
  searchDuration: Histogram<'leg'>;
  bulkLines: Counter<'status'>;
  rateLimited: Counter;
  authDenied: Counter<'code'>;
  embeddingPendingDocuments: Gauge;
  auditRowsDropped: Counter<'kind'>;
  auditRollupThrough: Gauge;
  auditSealedThrough: Gauge;
  artifactsStored: Counter;
  artifactBytes: Counter<'direction'>;
  presignedUrls: Counter<'cached'>;
  objectRequests: Counter<'operation'>;
  bucketEvents: Counter<'outcome'>;
  bucketEventsPending: Gauge;
  bucketEventsDead: Gauge;
  reconcileFindings: Counter<'kind' | 'settled'>;
  reconcileLastSuccess: Gauge;
  sessionsAbandoned: Counter;
  warmIndexDocuments: Gauge<'corpus'>;
  warmIndexBytes: Gauge;
  warmIndexDiskBytes: Gauge;
  warmIndexLag: Gauge;
  warmIndexRestarts: Counter;
  liveConnections: Gauge;
  liveChanges: Counter;
  liveOverflows: Counter;
  hookDeliveries: Counter<'outcome'>;
  hooksDisabled: Counter<'reason'>;
  hooksDelivering: Gauge;
  hooksLag: Gauge;
}

const EMBEDDING_COUNTERS: [keyof EmbeddingUsage, string][] = [
  ['requests', 'Requests to the embedding provider.'],
  ['failures', 'Requests to the embedding provider that brought no usable answer.'],
  ['retries', 'Requests to the embedding provider that were sent again.'],
  ['texts', 'Texts embedded.'],
  ['tokens', 'Tokens embedded, as the provider reports them or estimated.'],
];

/** The embedder counts for itself; these copy its numbers at each scrape. */
function registerEmbedding(registers: Registry[], usage: EmbeddingUsage): void {
  for (const [field, help] of EMBEDDING_COUNTERS)
    new Counter({
      name: `acervo_embedding_${field}_total`,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(usage[field]);
      },
    });
}

/**
 * The metrics of one node.
 * @param embeddingUsage the embedder's live counters
 */
export function createMetrics(embeddingUsage: EmbeddingUsage = unusedYet()): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  registerEmbedding(registers, embeddingUsage);
  const counter = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter<Label>({ name: `acervo_${name}_total`, help, labelNames, registers });
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge<Label>({ name: `acervo_${name}`, help, labelNames, registers });
  const seconds = <Label extends string>(name: string, help: string, labelNames: Label[]) =>
    new Histogram<Label>({
      name: `acervo_${name}_duration_seconds`,
      help,
      labelNames,
      registers,
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    });
  return {
    registry,
    embeddingUsage,
    httpRequests: counter<RequestLabel>('http_requests', 'Requests answered.', ['method', 'route', 'status']),
    httpDuration: seconds<RequestLabel>('http_request', 'From the request to the end of its answer.', [
      'method',
      'route',
      'status',
    ]),
    databaseTransactions: counter('database_transactions', 'Changes committed.'),
    databaseConflicts: counter('database_conflicts', 'Transactions that met a conflict and were run again.'),
    documentsStored: counter('documents_stored', 'Documents stored or replaced.'),
    searchDuration: seconds('search', 'One leg of a search.', ['leg']),
    bulkLines: counter('bulk_lines', 'Lines of bulk bodies by their outcome.', ['status']),
    rateLimited: counter('rate_limited', 'Requests refused with 429.'),
    authDenied: counter('auth_denied', 'Requests refused for their key, by error code.', ['code']),
    artifactsStored: counter('artifacts_stored', 'Versions of artifacts whose bytes were acknowledged.'),
    artifactBytes: counter('artifact_content_bytes', 'Bytes of artifacts that went through this node.', ['direction']),
    presignedUrls: counter('presigned_urls', 'Download URLs handed out, from the cache or signed anew.', ['cached']),
    objectRequests: counter('object_store_requests', 'Requests to the object store.', ['operation']),
    bucketEvents: counter('bucket_events', 'Events of the object store by what came of them.', ['outcome']),
    bucketEventsPending: gauge('bucket_events_pending', 'Events of the object store that are still to be applied.'),
    bucketEventsDead: gauge('bucket_events_dead', 'Events that could not be read, or not be applied.'),
    reconcileFindings: counter('reconcile_findings', 'Disagreements of database and object store.', [
      'kind',
      'settled',
    ]),
    reconcileLastSuccess: gauge(
      'reconcile_last_success_timestamp_seconds',
      'When this node has last finished a reconcile, in seconds since 1970.',
    ),
    sessionsAbandoned: counter('sessions_abandoned', 'Sessions abandoned for want of any sign of life.'),
    auditRowsDropped: counter('audit_rows_dropped', 'Reads and failed writes that were not recorded.', ['kind']),
    auditRollupThrough: gauge(
      'audit_rollup_through_timestamp_seconds',
      'Up to where this node has seen the audit log rolled up, in seconds since 1970.',
    ),
    auditSealedThrough: gauge(
      'audit_sealed_through_timestamp_seconds',
      'Up to where this node has seen the audit log sealed, in seconds since 1970.',
    ),
    warmIndexDocuments: gauge('warm_index_documents', 'Documents that the warm index holds.', ['corpus']),
    warmIndexBytes: gauge('warm_index_bytes', 'Memory that the warm index takes, as it reckons.'),
    warmIndexDiskBytes: gauge('warm_index_disk_bytes', 'Disk that vectors take which did not fit into that memory.'),
    warmIndexLag: gauge(
      'warm_index_lag_seconds',
      'Seconds since the warm index had taken in everything that was in the audit log.',
    ),
    warmIndexRestarts: counter('warm_index_restarts', 'Times that the warm index began anew after a failure.'),
    liveConnections: gauge('live_connections', 'Sockets, event streams and waiting requests that follow changes.'),
    liveChanges: counter('live_changes', 'Changes sent to those who follow.'),
    liveOverflows: counter('live_overflows', 'Subscriptions and streams ended for a reader that did not read.'),
    hookDeliveries: counter('hook_deliveries', 'Requests to receivers of hooks by their outcome.', ['outcome']),
    hooksDisabled: counter('hooks_disabled', 'Hooks that were disabled by the server, by the reason.', ['reason']),
    hooksDelivering: gauge('hooks_delivering', 'Hooks that this node delivers; of several nodes one does.'),
    hooksLag: gauge('hooks_lag_seconds', 'Age of the oldest change that this node has read and not yet delivered.'),
    embeddingPendingDocuments: gauge('embedding_pending_documents', 'Documents whose vectors are still to be made.'),
  };
}
