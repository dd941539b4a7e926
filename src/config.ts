import { z } from 'zod';
import { type Bucket, DEFAULT_BUCKETS, parseBuckets } from './objects/buckets.js';

const integer = (fallback: number, min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback);
const optionalText = z.string().min(1).optional();

/** Languages of the analyzers: Snowball stemmers that both engines have and for which we carry stop words. */
export const LANGUAGES = ['english', 'portuguese', 'spanish', 'french', 'german', 'italian'] as const;
export type Language = (typeof LANGUAGES)[number];

/** The environment: one line a variable, with its default and its bounds. `.env.example` explains each. */
const environmentSchema = z.object({
  ACERVO_HOST: z.string().min(1).default('127.0.0.1'),
  ACERVO_PORT: integer(8080, 0, 65_535),
  ACERVO_DATA_DIR: z.string().min(1).default('./data'),
  ACERVO_ADMIN_KEY: z
    .string()
    .min(32, 'must be 32 characters or more')
    .max(256)
    .regex(/^[A-Za-z0-9._~+/=-]*$/, 'must be of A-Z a-z 0-9 . _ ~ + / = -, which a bearer token can hold')
    .optional(),
  ACERVO_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  ACERVO_LANGUAGE: z.enum(LANGUAGES).default('english'),
  SURREALDB_URL: optionalText,
  SURREALDB_USER: optionalText,
  SURREALDB_PASS: optionalText,
  SURREALDB_NAMESPACE: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
    .default('acervo'),
  SURREALDB_DATABASE: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ -')
    .default('memory'),
  ACERVO_DATABASE_TIMEOUT_MS: integer(30_000, 100, 600_000),
  ACERVO_EMBEDDER: z.enum(['hashing', 'gemini', 'openai', 'caller']).default('hashing'),
  ACERVO_EMBEDDING_DIMENSIONS: z.coerce.number().int().min(2).max(4096).optional(),
  ACERVO_EMBEDDING_URL: z.url({ protocol: /^https?$/ }).optional(),
  ACERVO_EMBEDDING_MODEL: optionalText,
  ACERVO_EMBEDDING_API_KEY: optionalText,
  ACERVO_EMBEDDING_TIMEOUT_MS: integer(20_000, 10, 300_000),
  ACERVO_EMBEDDING_BATCH_TEXTS: integer(64, 1, 2048),
  ACERVO_EMBEDDING_MAX_RETRIES: integer(3, 0, 10),
  GEMINI_API_KEY: optionalText,
  ACERVO_VECTOR_INDEX: z.enum(['auto', 'hnsw', 'diskann', 'none']).default('auto'),
  ACERVO_WARM_INDEX: z.enum(['auto', 'on', 'off']).default('auto'),
  ACERVO_WARM_INDEX_MAX_BYTES: integer(0, 0, 1_099_511_627_776),
  ACERVO_HNSW_EF_CONSTRUCTION: integer(100, 10, 1000),
  ACERVO_HNSW_M: integer(8, 2, 64),
  ACERVO_SEARCH_EF: integer(100, 10, 1000),
  ACERVO_RATE_LIMIT_PER_MINUTE: integer(6000, 0, 10_000_000),
  ACERVO_IDEMPOTENCY_TTL_SECONDS: integer(86_400, 60, 604_800),
  ACERVO_BULK_MAX_LINES: integer(100_000, 1, 1_000_000),
  ACERVO_BULK_CONCURRENCY: integer(8, 1, 64),
  ACERVO_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  MINIO_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  MINIO_PUBLIC_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  MINIO_REGION: z.string().min(1).default('us-east-1'),
  MINIO_ACCESS_KEY: optionalText,
  MINIO_SECRET_KEY: optionalText,
  MINIO_BUCKETS: z.string().min(1).default(DEFAULT_BUCKETS),
  MINIO_TIER: optionalText,
  MINIO_NOTIFY_ID: z
    .string()
    .regex(/^[A-Za-z0-9_]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _')
    .default('ACERVO'),
  MINIO_WEBHOOK_TOKEN: z
    .string()
    .min(16, 'must be 16 characters or more')
    .max(256)
    .regex(/^[A-Za-z0-9._~+/=-]*$/, 'must be of A-Z a-z 0-9 . _ ~ + / = -, which a bearer token can hold')
    .optional(),
  MINIO_TIMEOUT_MS: integer(30_000, 100, 600_000),
  ACERVO_LIFECYCLE_FILE: optionalText,
  ACERVO_UNKNOWN_OBJECTS: z.enum(['report', 'adopt']).default('report'),
  ACERVO_MAX_ARTIFACT_BYTES: integer(1_099_511_627_776, 1, 5_497_558_138_880),
  ACERVO_VERIFY_MAX_BYTES: integer(67_108_864, 0, 1_073_741_824),
  ACERVO_EXTRACT_MAX_BYTES: integer(52_428_800, 1, 536_870_912),
  ACERVO_EXTRACT_TIMEOUT_MS: integer(30_000, 100, 600_000),
  ACERVO_DOWNLOAD_URL_TTL_SECONDS: integer(3600, 10, 604_800),
  ACERVO_UPLOAD_URL_TTL_SECONDS: integer(3600, 1, 604_800),
  ACERVO_UPLOAD_MAX_SECONDS: integer(21_600, 0, 604_800),
  ACERVO_RECONCILE_INTERVAL_SECONDS: integer(3600, 0, 604_800),
  ACERVO_RECONCILE_GRACE_SECONDS: integer(3600, 0, 604_800),
  ACERVO_SESSION_IDLE_SECONDS: integer(86_400, 0, 31_536_000),
  ACERVO_AUDIT_SEAL_INTERVAL_SECONDS: integer(5, 1, 3600),
  ACERVO_AUDIT_FINE_SERIES_DAYS: integer(31, 1, 3650),
  ACERVO_AUDIT_READS: z.enum(['off', 'on']).default('off'),
  ACERVO_LIVE_MAX_CONNECTIONS: integer(2_000, 0, 100_000),
  ACERVO_HOOKS_ALLOW_PRIVATE: z.enum(['off', 'on']).default('off'),
  ACERVO_HOOKS_MAX: integer(100, 0, 500),
  ACERVO_HOOKS_TIMEOUT_MS: integer(10_000, 100, 60_000),
  ACERVO_HOOKS_BACKOFF_MS: integer(1_000, 10, 600_000),
  ACERVO_HOOKS_MAX_ATTEMPTS: integer(30, 1, 1_000),
  ACERVO_FAULT_POINT: optionalText,
});

type Environment = z.infer<typeof environmentSchema>;

/** Rules between variables; each message names the variable to change. */
function crossChecks(env: Environment): string[] {
  const faults: string[] = [];
  const url = env.SURREALDB_URL;
  if (url !== undefined) {
    if (/^(surrealkv|mem|indxdb):/.test(url))
      faults.push(
        `SURREALDB_URL: the embedded engine loses concurrent updates with ${url.split(':')[0]}://; use rocksdb://`,
      );
    else if (!/^(rocksdb|wss?|https?):\/\/./.test(url))
      faults.push('SURREALDB_URL: must start with rocksdb://, ws:// or wss://');
    else if (/^https?:/.test(url)) faults.push('SURREALDB_URL: use ws:// or wss://; live queries need a socket');
    if (/^wss?:/.test(url) && (env.SURREALDB_USER === undefined || env.SURREALDB_PASS === undefined))
      faults.push('SURREALDB_USER, SURREALDB_PASS: both are needed for a database server');
  }
  if (
    env.ACERVO_EMBEDDER === 'gemini' &&
    env.GEMINI_API_KEY === undefined &&
    env.ACERVO_EMBEDDING_API_KEY === undefined
  )
    faults.push('GEMINI_API_KEY: is needed for ACERVO_EMBEDDER=gemini');
  if (env.ACERVO_EMBEDDER === 'openai') {
    if (env.ACERVO_EMBEDDING_MODEL === undefined)
      faults.push('ACERVO_EMBEDDING_MODEL: is needed for ACERVO_EMBEDDER=openai');
    if (env.ACERVO_EMBEDDING_DIMENSIONS === undefined)
      faults.push('ACERVO_EMBEDDING_DIMENSIONS: is needed for ACERVO_EMBEDDER=openai');
  }
  if (env.MINIO_ENDPOINT !== undefined && (env.MINIO_ACCESS_KEY === undefined || env.MINIO_SECRET_KEY === undefined))
    faults.push('MINIO_ACCESS_KEY, MINIO_SECRET_KEY: both are needed with MINIO_ENDPOINT');
  for (const fault of parseBuckets(env.MINIO_BUCKETS).faults) faults.push(`MINIO_BUCKETS: ${fault}`);
  return faults;
}

/** A start that the environment forbids: `faults` lists everything that is wrong, not just the first thing. */
export class ConfigError extends Error {
  constructor(readonly faults: string[]) {
    super(`The configuration has ${faults.length} fault(s):\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** The configuration as the code reads it: grouped, with units last in the names. */
export interface Config {
  host: string;
  port: number;
  dataDir: string;
  adminKey: string | undefined;
  logLevel: Environment['ACERVO_LOG_LEVEL'];
  language: Language;
  database: {
    url: string;
    username: string | undefined;
    password: string | undefined;
    namespace: string;
    database: string;
    timeoutMs: number;
  };
  embedding: {
    provider: Environment['ACERVO_EMBEDDER'];
    dimensions: number;
    url: string | undefined;
    model: string | undefined;
    apiKey: string | undefined;
    timeoutMs: number;
    batchTexts: number;
    maxRetries: number;
  };
  vectorIndex: { kind: Environment['ACERVO_VECTOR_INDEX']; efConstruction: number; m: number; searchEf: number };
  /** `maxMemoryBytes` 0: a third of the memory. */
  warmIndex: { mode: Environment['ACERVO_WARM_INDEX']; maxMemoryBytes: number };
  rateLimitPerMinute: number;
  idempotencyTtlSeconds: number;
  bulk: { maxLines: number; concurrency: number };
  /** Where clients reach this server, without a slash at the end; undefined: where it listens. */
  publicUrl: string | undefined;
  objects: ObjectsConfig;
  /** After so long without a sign of life a session is abandoned; 0: never. */
  sessionIdleSeconds: number;
  /** How often settled rows of the audit log are sealed. */
  auditSealIntervalSeconds: number;
  /** How long the audit log's counts by the minute and five minutes are kept. */
  auditFineSeriesDays: number;
  /** Are reads of single resources, of their content, and searches recorded in the audit log? */
  auditReads: boolean;
  /** Sockets, event streams and waiting requests that follow changes. */
  liveMaxConnections: number;
  hooks: {
    /** May hooks be sent to private addresses, and without TLS? */
    allowPrivate: boolean;
    /** Of the whole installation. */
    max: number;
    /** Until the status of an answer has come. */
    timeoutMs: number;
    /** The first pause after a failure. */
    backoffMs: number;
    /** So many failures in a row disable a hook. */
    maxAttempts: number;
  };
  /** Ends the process at this point (src/fault-points.ts): for tests of what a crash leaves behind. */
  faultPoint: string | undefined;
}

export interface ObjectsConfig {
  /** Undefined: a directory under `dataDir`. */
  s3:
    | { endpoint: string; publicEndpoint: string | undefined; region: string; accessKey: string; secretKey: string }
    | undefined;
  idleTimeoutMs: number;
  buckets: Bucket[];
  /** Storage class that the rules of lifecycle.xml move objects to; undefined: they stay where they are. */
  tier: string | undefined;
  /** Id of the webhook target in the store's own configuration: MINIO_NOTIFY_WEBHOOK_ENABLE_<id>. */
  notifyId: string;
  webhookToken: string | undefined;
  /** Undefined: the lifecycle.xml of this installation. */
  lifecycleFile: string | undefined;
  unknownObjects: Environment['ACERVO_UNKNOWN_OBJECTS'];
  maxBytes: number;
  /** What was uploaded past us is read back and digested up to this size. */
  verifyMaxBytes: number;
  extractMaxBytes: number;
  extractTimeoutMs: number;
  downloadUrlTtlSeconds: number;
  uploadUrlTtlSeconds: number;
  /** The longest upload: a reservation outlives its URLs by so much. */
  uploadMaxSeconds: number;
  /** 0: never by itself. */
  reconcileIntervalSeconds: number;
  /** What is younger may still be in flight, and is left alone. */
  reconcileGraceSeconds: number;
}

const DEFAULT_DIMENSIONS = { hashing: 512, gemini: 1024, openai: 1024, caller: 1024 } as const;

function grouped(env: Environment): Config {
  const provider = env.ACERVO_EMBEDDER;
  return {
    host: env.ACERVO_HOST,
    port: env.ACERVO_PORT,
    dataDir: env.ACERVO_DATA_DIR,
    adminKey: env.ACERVO_ADMIN_KEY,
    logLevel: env.ACERVO_LOG_LEVEL,
    language: env.ACERVO_LANGUAGE,
    database: {
      url: env.SURREALDB_URL ?? '',
      username: env.SURREALDB_USER,
      password: env.SURREALDB_PASS,
      namespace: env.SURREALDB_NAMESPACE,
      database: env.SURREALDB_DATABASE,
      timeoutMs: env.ACERVO_DATABASE_TIMEOUT_MS,
    },
    embedding: {
      provider,
      dimensions: env.ACERVO_EMBEDDING_DIMENSIONS ?? DEFAULT_DIMENSIONS[provider],
      url: env.ACERVO_EMBEDDING_URL,
      model: env.ACERVO_EMBEDDING_MODEL,
      apiKey: env.ACERVO_EMBEDDING_API_KEY ?? (provider === 'gemini' ? env.GEMINI_API_KEY : undefined),
      timeoutMs: env.ACERVO_EMBEDDING_TIMEOUT_MS,
      batchTexts: env.ACERVO_EMBEDDING_BATCH_TEXTS,
      maxRetries: env.ACERVO_EMBEDDING_MAX_RETRIES,
    },
    vectorIndex: {
      kind: env.ACERVO_VECTOR_INDEX,
      efConstruction: env.ACERVO_HNSW_EF_CONSTRUCTION,
      m: env.ACERVO_HNSW_M,
      searchEf: env.ACERVO_SEARCH_EF,
    },
    warmIndex: { mode: env.ACERVO_WARM_INDEX, maxMemoryBytes: env.ACERVO_WARM_INDEX_MAX_BYTES },
    rateLimitPerMinute: env.ACERVO_RATE_LIMIT_PER_MINUTE,
    idempotencyTtlSeconds: env.ACERVO_IDEMPOTENCY_TTL_SECONDS,
    bulk: { maxLines: env.ACERVO_BULK_MAX_LINES, concurrency: env.ACERVO_BULK_CONCURRENCY },
    publicUrl: env.ACERVO_PUBLIC_URL?.replace(/\/+$/, ''),
    objects: objectsOf(env),
    sessionIdleSeconds: env.ACERVO_SESSION_IDLE_SECONDS,
    auditSealIntervalSeconds: env.ACERVO_AUDIT_SEAL_INTERVAL_SECONDS,
    auditFineSeriesDays: env.ACERVO_AUDIT_FINE_SERIES_DAYS,
    auditReads: env.ACERVO_AUDIT_READS === 'on',
    liveMaxConnections: env.ACERVO_LIVE_MAX_CONNECTIONS,
    hooks: {
      allowPrivate: env.ACERVO_HOOKS_ALLOW_PRIVATE === 'on',
      max: env.ACERVO_HOOKS_MAX,
      timeoutMs: env.ACERVO_HOOKS_TIMEOUT_MS,
      backoffMs: env.ACERVO_HOOKS_BACKOFF_MS,
      maxAttempts: env.ACERVO_HOOKS_MAX_ATTEMPTS,
    },
    faultPoint: env.ACERVO_FAULT_POINT,
  };
}

function objectsOf(env: Environment): ObjectsConfig {
  return {
    s3:
      env.MINIO_ENDPOINT === undefined
        ? undefined
        : {
            endpoint: env.MINIO_ENDPOINT,
            publicEndpoint: env.MINIO_PUBLIC_ENDPOINT,
            region: env.MINIO_REGION,
            accessKey: env.MINIO_ACCESS_KEY ?? '',
            secretKey: env.MINIO_SECRET_KEY ?? '',
          },
    idleTimeoutMs: env.MINIO_TIMEOUT_MS,
    buckets: parseBuckets(env.MINIO_BUCKETS).buckets,
    tier: env.MINIO_TIER,
    notifyId: env.MINIO_NOTIFY_ID,
    webhookToken: env.MINIO_WEBHOOK_TOKEN,
    lifecycleFile: env.ACERVO_LIFECYCLE_FILE,
    unknownObjects: env.ACERVO_UNKNOWN_OBJECTS,
    maxBytes: env.ACERVO_MAX_ARTIFACT_BYTES,
    verifyMaxBytes: env.ACERVO_VERIFY_MAX_BYTES,
    extractMaxBytes: env.ACERVO_EXTRACT_MAX_BYTES,
    extractTimeoutMs: env.ACERVO_EXTRACT_TIMEOUT_MS,
    downloadUrlTtlSeconds: env.ACERVO_DOWNLOAD_URL_TTL_SECONDS,
    uploadUrlTtlSeconds: env.ACERVO_UPLOAD_URL_TTL_SECONDS,
    uploadMaxSeconds: env.ACERVO_UPLOAD_MAX_SECONDS,
    reconcileIntervalSeconds: env.ACERVO_RECONCILE_INTERVAL_SECONDS,
    reconcileGraceSeconds: env.ACERVO_RECONCILE_GRACE_SECONDS,
  };
}

/**
 * Reads the environment once. An empty value counts as unset.
 * @throws ConfigError with all faults
 */
export function readConfig(source: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = environmentSchema.safeParse(given);
  const faults = parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  const told = new Set(faults.map((fault) => fault.split(':')[0]));
  // Rules between variables run on what could be read, so that one start shows every fault.
  const valid = environmentSchema.safeParse(
    Object.fromEntries(Object.entries(given).filter(([name]) => !told.has(name))),
  );
  // A variable that is there but wrong has been told already: it is not missing as well.
  if (valid.success) faults.push(...crossChecks(valid.data).filter((fault) => !told.has(fault.split(':')[0])));
  const known = new Set(Object.keys(environmentSchema.shape));
  for (const name of Object.keys(given))
    if (name.startsWith('ACERVO_') && !known.has(name)) faults.push(`${name}: is not a variable that Acervo knows`);
  if (!parsed.success || faults.length > 0) throw new ConfigError(faults);
  return grouped(parsed.data);
}
