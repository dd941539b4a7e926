import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import type { Context, Principal } from '../../../src/context.js';
import { createMetrics } from '../../../src/health/metrics.js';
import { CursorSigner } from '../../../src/http/cursor.js';
import type { Engine } from './engine.js';

/** A row as a test makes it up; `time` is RFC 3339. */
export interface MadeRow {
  time: string;
  uuid: string;
  action: string;
  status: string;
  resource: string;
  agent_id?: string;
  key_id?: string;
  user?: string;
  size_bytes?: number;
}

/** Numbers that look random and are the same at every run. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

const pick = <T>(random: () => number, of: readonly T[]): T => of[Math.floor(random() * of.length)]!;

/** Rows over a span, some at whole seconds and milliseconds, where keys are out of the order of time. */
export function madeRows(count: number, startMs: number, spanMs: number, seed = 1): MadeRow[] {
  const random = randomFrom(seed);
  return Array.from({ length: count }, (_, n) => {
    const ms = startMs + Math.floor(random() * spanMs);
    const shape = random();
    const whole = new Date(shape < 0.1 ? Math.floor(ms / 1000) * 1000 : ms).toISOString();
    const time = shape < 0.2 ? whole : whole.replace('Z', `${String(Math.floor(random() * 1e6)).padStart(6, '0')}Z`);
    const kind = pick(random, ['artifact', 'knowledge', 'session']);
    const resource = random() < 0.05 ? kind : `${kind}:r${Math.floor(random() * 40)}`;
    return {
      time,
      uuid: `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`,
      action: pick(random, ['CREATE', 'READ', 'UPDATE', 'DELETE']),
      status: pick(random, ['SUCCESS', 'SUCCESS', 'SUCCESS', 'FAILURE', 'DENIED']),
      resource,
      ...(random() < 0.9 && { agent_id: pick(random, ['a1', 'a2', 'a3']) }),
      key_id: pick(random, ['k1', 'k2']),
      ...(random() < 0.5 && { user: pick(random, ['ana', 'bob']) }),
      ...(resource.startsWith('artifact:') && random() < 0.8 && { size_bytes: Math.floor(random() * 1e6) }),
    };
  });
}

const INSERT = `
  LET $made = $rows.map(|$row| object::extend($row, { id: [<datetime> $row.time, <uuid> $row.uuid] }));
  INSERT INTO audit_log $made.map(|$row| { id: $row.id, timestamp: $row.id[0], action: $row.action,
    status: $row.status, resource: $row.resource, agent_id: $row.agent_id, key_id: $row.key_id }) RETURN NONE;
  INSERT INTO audit_values $made.map(|$row| { id: $row.id, salt: 's',
    columns: { size_bytes: $row.size_bytes, user: $row.user } }) RETURN NONE;`;

export async function insertRows(engine: Engine, rows: readonly MadeRow[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 500)
    await engine.db.run({ text: INSERT, params: { rows: rows.slice(at, at + 500) } });
}

/** What the verbs of the audit log need of a context. */
export function auditContext(engine: Engine, principal: Partial<Principal> = {}): Context {
  const clock = () => new Date();
  const context: Partial<Context> = {
    db: engine.db,
    control: engine.control,
    clock,
    cursors: new CursorSigner({ secret: randomBytes(32), clock, ttlSeconds: 3600 }),
    metrics: createMetrics(),
    log: pino({ level: 'silent' }),
    requestId: 'request-1',
    principal: {
      key_id: 'tester',
      scopes: new Set(),
      agent_id: undefined,
      address: '127.0.0.1',
      user_agent: 'vitest',
      ...principal,
    },
  };
  return context as Context;
}
