import { randomBytes, randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { createApp } from '../../../src/app.js';
import { readConfig } from '../../../src/config.js';
import type { Services } from '../../../src/context.js';
import { createMetrics } from '../../../src/health/metrics.js';
import type { Authenticator } from '../../../src/http/authenticate.js';
import { CursorSigner } from '../../../src/http/cursor.js';
import { ensureAdminKey } from '../../../src/keys/admin-key.js';
import { createAuthenticator } from '../../../src/keys/authenticator.js';
import { createDenialRecorder } from '../../../src/keys/denials.js';
import { SessionDatabase } from '../../../src/surreal/session-database.js';
import { NO_WARM_INDEX } from '../../../src/warm-index/port.js';
import { createAnalyzer } from '../../../src/warm-index/text/analyzer.js';
import { type Engine, openEngine, testQueries } from './engine.js';

export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  body: Record<string, unknown>;
}

/** One node: sessions, caches and an app of its own over the databases that it shares with the others. */
export interface Node {
  control: SessionDatabase;
  authenticator: Authenticator;
  call(token: string, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Installation {
  engine: Engine;
  /** Stands still until it is moved. */
  clock: { (): Date; advance(ms: number): void };
  /** All that any node has logged, parsed. */
  lines: Record<string, unknown>[];
  node(adminKey?: string): Promise<Node>;
  /** All rows of the table of keys, as they are stored. */
  rows(): Promise<Record<string, unknown>[]>;
}

function movableClock(): Installation['clock'] {
  let nowMs = Date.parse('2026-03-01T12:00:00Z');
  const read = () => new Date(nowMs);
  return Object.assign(read, {
    advance: (ms: number) => {
      nowMs += ms;
    },
  });
}

/** Databases without any key. */
export async function openInstallation(): Promise<Installation> {
  const database = `t${randomUUID().replaceAll('-', '')}`;
  const engine = await openEngine({ database });
  const clock = movableClock();
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const cursors = new CursorSigner({ secret: randomBytes(32), clock, ttlSeconds: 3600 });

  async function node(adminKey?: string): Promise<Node> {
    const sessions = await engine.connection.openSessions('test', `${database}_control`);
    const options = {
      queries: testQueries(),
      vectorIndex: 'hnsw' as const,
      timeoutMs: 20_000,
      operationTtlSeconds: 3600,
    };
    const control = new SessionDatabase(engine.connection, sessions, options);
    const services: Services = {
      config: { ...readConfig({}), rateLimitPerMinute: 0, adminKey },
      db: await engine.node(),
      control,
      embedder: {
        available: false,
        space: { slug: 'test_4', provider: 'caller', model: 'test', dimensions: 4, distance: 'cosine' },
        embed: async () => [],
      },
      cursors,
      live: {} as Services['live'],
      warmIndex: NO_WARM_INDEX,
      legTrust: new Map(),
      analyzer: createAnalyzer('english'),
      metrics: createMetrics(),
      log,
      clock,
      objects: {} as Services['objects'],
      extractor: {} as Services['extractor'],
      lifecycle: [],
      bucketEvents: { record: async () => undefined, wake: () => undefined, onWake: () => undefined },
      openSignedUrl: undefined,
      passFaultPoint: () => undefined,
    };
    const authenticator = createAuthenticator(control, services);
    const app = createApp(services, { authenticator, onDenied: createDenialRecorder() });
    return {
      control,
      authenticator,
      call: async (token, method, path, body, headers = {}) => {
        const response = await app.request(path, {
          method,
          headers: {
            authorization: `Bearer ${token}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...headers,
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const text = await response.text();
        return { status: response.status, headers: response.headers, text, body: text === '' ? {} : JSON.parse(text) };
      },
    };
  }

  return {
    engine,
    clock,
    lines,
    node,
    rows: () => engine.control.run({ text: 'SELECT * FROM api_keys', params: {} }),
  };
}

/** An installation with its first key, and one node. */
export async function startedInstallation(): Promise<Installation & { one: Node; admin: string }> {
  const installation = await openInstallation();
  const one = await installation.node();
  const admin = await ensureAdminKey(one.control, { adminKey: undefined }, installation.clock);
  if (admin === undefined) throw new Error('no first key was made');
  return { ...installation, one, admin };
}
