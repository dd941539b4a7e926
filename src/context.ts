import type { Logger } from 'pino';
import type { EventInbox } from './bucket-events/inbox.js';
import type { Config } from './config.js';
import type { Embedder } from './embeddings/port.js';
import type { Extractor } from './extraction/extractor.js';
import type { PassFaultPoint } from './fault-points.js';
import type { Metrics } from './health/metrics.js';
import type { CursorSigner } from './http/cursor.js';
import type { Scope } from './keys/scopes.js';
import type { Live } from './live/live.js';
import type { Grant } from './objects/disk/grants.js';
import type { LifecycleRule } from './objects/lifecycle.js';
import type { ObjectStore } from './objects/port.js';
import type { LegTrust } from './search/adaptive.js';
import type { Searched } from './search/compile.js';
import type { Database } from './surreal/database.js';
import type { WarmIndex } from './warm-index/port.js';
import type { Analyzer } from './warm-index/text/analyzer.js';

/** Who is asking: made from the key by the auth middleware. */
export interface Principal {
  key_id: string;
  scopes: ReadonlySet<Scope>;
  /** Set when the key is bound to an agent: it then reads and writes only what belongs to that agent. */
  agent_id: string | undefined;
  address: string | undefined;
  user_agent: string | undefined;
}

/** How a client asked for this write to be applied at most once. */
export interface RequestOperation {
  /** Idempotency id of this request: derived from the client's key, or a fresh UUIDv7. */
  id: string;
  /** Digest of method, path, body and principal: another one under the same id is refused. */
  request_digest: string;
}

/** What a node has, whoever asks. */
export interface Services {
  config: Config;
  /** The database of knowledge, audit log and idempotency. Never global: later a key chooses it. */
  db: Database;
  /** The database of the whole installation: api_keys, leases, schema_state. */
  control: Database;
  embedder: Embedder;
  objects: ObjectStore;
  extractor: Extractor;
  bucketEvents: EventInbox;
  /** The rules of lifecycle.xml that this store keeps. */
  lifecycle: readonly LifecycleRule[];
  /**
   * What a signed URL of the disk driver allows; undefined where the store serves its own.
   * @throws AcervoError `artifact:url_invalid`, `artifact:url_expired`
   */
  openSignedUrl: ((token: string, method: string) => Grant) | undefined;
  cursors: CursorSigner;
  live: Live;
  warmIndex: WarmIndex;
  /** How far this node has found the legs of search to be trusted; empty until it has looked. See src/search/trust.ts. */
  legTrust: Map<Searched, LegTrust>;
  /** Cuts texts into words as the full-text index does. */
  analyzer: Analyzer;
  metrics: Metrics;
  log: Logger;
  clock: () => Date;
  passFaultPoint: PassFaultPoint;
}

/** What a verb gets beside its input. */
export interface Context extends Services {
  principal: Principal;
  requestId: string;
  operation: RequestOperation;
}
