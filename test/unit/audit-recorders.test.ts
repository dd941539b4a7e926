import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { actionOf, createFailureRecorder, MAX_FAILURES, resourceOf } from '../../src/audit/failures.js';
import { createReadRecorder, MAX_WAITING } from '../../src/audit/reads.js';
import { nanosOf, timeOf } from '../../src/audit/time.js';
import type { Context } from '../../src/context.js';
import { AcervoError } from '../../src/errors/error.js';
import type { Route } from '../../src/http/route.js';
import { ROUTES } from '../../src/routes.js';
import type { Change } from '../../src/surreal/database.js';
import { fakeServices } from './http/fake-services.js';

const routeOf = (name: string): Route => ROUTES.find((route) => `${route.method} ${route.path}` === name)!;
const put = routeOf('POST /v1/knowledge');
const get = routeOf('GET /v1/knowledge/{id}');
const failure = new AcervoError('knowledge:not_found');

/** A context whose database does as told, and what it was told to write. */
function contextWith(transact: () => Promise<unknown>, key_id = 'k1') {
  const services = fakeServices();
  const changes: Change[] = [];
  services.db.transact = async (change) => {
    changes.push(change);
    return (await transact()) as never;
  };
  const principal = { key_id, scopes: new Set<never>(), agent_id: 'a1', address: '::1', user_agent: 'test' };
  const ctx: Context = { ...services, principal, requestId: 'r1', operation: { id: 'own', request_digest: 'd' } };
  const dropped = async (kind: string) =>
    (await services.metrics.auditRowsDropped.get()).values.find(({ labels }) => labels.kind === kind)?.value ?? 0;
  return { ctx, changes, dropped, lines: services.lines };
}

describe('times in nanoseconds', () => {
  it.each([
    ['1970-01-01T00:00:00Z', 0n, '1970-01-01T00:00:00.000000000Z'],
    ['2026-01-01T00:00:00.000000001Z', 1_767_225_600_000_000_001n, '2026-01-01T00:00:00.000000001Z'],
    ['2026-01-01T01:00:00.5+01:00', 1_767_225_600_500_000_000n, '2026-01-01T00:00:00.500000000Z'],
    ['2025-12-31T23:30:00-00:30', 1_767_225_600_000_000_000n, '2026-01-01T00:00:00.000000000Z'],
  ])('%s', (text, nanos, written) => {
    expect(nanosOf(text)).toBe(nanos);
    expect(timeOf(nanos)).toBe(written);
    expect(nanosOf(written)).toBe(nanos);
  });

  it('refuses what is no time', () => {
    expect(() => nanosOf('2026-13-01T00:00:00Z')).toThrow(RangeError);
    expect(() => nanosOf('now')).toThrow(RangeError);
  });
});

describe('what a request is about', () => {
  it.each([
    ['POST /v1/knowledge', undefined, 'CREATE', 'knowledge'],
    ['PATCH /v1/knowledge/{id}', 'a', 'UPDATE', 'knowledge:a'],
    ['DELETE /v1/artifacts/{id}', 'b', 'DELETE', 'artifact:b'],
    ['PUT /v1/artifacts/{id}/content', 'b', 'UPDATE', 'artifact:b'],
    ['POST /v1/artifacts/{id}/complete', 'b', 'UPDATE', 'artifact:b'],
    ['POST /v1/search', undefined, 'READ', 'search'],
    ['PATCH /v1/knowledge/{id}', 'no id of ours\n', 'UPDATE', 'knowledge'],
  ])('%s %s', (name, id, action, resource) => {
    expect([actionOf(routeOf(name)), resourceOf(routeOf(name), id)]).toEqual([action, resource]);
  });
});

describe('the recorder of failures', () => {
  it('writes a row in an operation of its own', async () => {
    const { ctx, changes } = contextWith(async () => ({}));
    await createFailureRecorder()(ctx, put, undefined, failure);
    await createFailureRecorder()(ctx, put, undefined, new Error('secret detail'));
    expect(changes.map(({ params, audit }) => [params.status, params.code, audit.resource, audit.agent_id])).toEqual([
      ['FAILURE', 'knowledge:not_found', 'knowledge', 'a1'],
      ['FAILURE', 'internal:unexpected', 'knowledge', 'a1'],
    ]);
    expect(changes.map(({ operation }) => operation.id)).not.toContain('own');
  });

  it('leaves out reads and refusals that only ask to wait', async () => {
    const { ctx, changes } = contextWith(async () => ({}));
    const record = createFailureRecorder();
    await record(ctx, get, 'x', failure);
    for (const code of ['request:rate_limited', 'request:overloaded'] as const)
      await record(ctx, put, undefined, new AcervoError(code));
    expect(changes).toEqual([]);
  });

  it('records so many of a key and minute, and tells of the rest', async () => {
    const { ctx, changes, dropped, lines } = contextWith(async () => ({}));
    const record = createFailureRecorder();
    for (let n = 0; n < MAX_FAILURES + 12; n += 1) await record(ctx, put, undefined, failure);
    expect(changes).toHaveLength(MAX_FAILURES);
    expect(await dropped('failure')).toBe(12);
    expect(lines.map((line) => line.dropped)).toEqual([1, 10]);
    await record({ ...ctx, principal: { ...ctx.principal, key_id: 'k2' } }, put, undefined, failure);
    expect(changes).toHaveLength(MAX_FAILURES + 1);
  });

  it('never fails, and does not wait for a database that hangs', async () => {
    const broken = contextWith(async () => Promise.reject(new AcervoError('database:unavailable')));
    await createFailureRecorder()(broken.ctx, put, undefined, failure);
    expect(await broken.dropped('failure')).toBe(1);
    const hanging = contextWith(() => new Promise(() => undefined));
    const record = createFailureRecorder();
    // 60 of a key: beyond 64 rows under way nothing is even tried.
    const keys = Array.from({ length: 80 }, (_, n) => ({ ...hanging.ctx.principal, key_id: `k${n}` }));
    await Promise.all(keys.map((principal) => record({ ...hanging.ctx, principal }, put, undefined, failure)));
    expect(hanging.changes).toHaveLength(64);
    expect(await hanging.dropped('failure')).toBe(16);
  });
});

describe('the recorder of reads', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('writes batches in the background: single resources, content and searches', async () => {
    const { ctx, changes } = contextWith(async () => ({}));
    const reads = createReadRecorder(ctx);
    reads.onRead(ctx, get, 'a');
    reads.onRead(ctx, routeOf('POST /v1/search'), undefined);
    reads.onRead(ctx, routeOf('GET /v1/artifacts/{id}/content'), 'b');
    for (const name of ['GET /v1/knowledge', 'POST /v1/knowledge', 'GET /v1/audit/{id}', 'GET /livez'])
      reads.onRead(ctx, routeOf(name), 'c');
    expect(changes).toEqual([]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(changes).toHaveLength(1);
    const rows = changes[0]?.params.rows as Record<string, unknown>[];
    expect(rows.map(({ resource }) => resource)).toEqual(['knowledge:a', 'search', 'artifact:b']);
    expect(rows[0]).toEqual({
      action: 'READ',
      status: 'SUCCESS',
      resource: 'knowledge:a',
      agent_id: 'a1',
      key_id: 'k1',
      address: '::1',
      user_agent: 'test',
      request_id: 'r1',
    });
    for (let n = 0; n < 450; n += 1) reads.onRead(ctx, get, `x${n}`);
    await reads.stop();
    expect(changes.slice(1).map(({ params }) => (params.rows as unknown[]).length)).toEqual([200, 200, 50]);
  });

  it('drops what comes while too many wait, and counts it', async () => {
    const { ctx, changes, dropped, lines } = contextWith(() => new Promise(() => undefined));
    const reads = createReadRecorder(ctx);
    for (let n = 0; n < MAX_WAITING + 7; n += 1) reads.onRead(ctx, get, 'a');
    expect(await dropped('read')).toBe(7);
    const broken = contextWith(async () => Promise.reject(new Error('away')));
    const others = createReadRecorder(broken.ctx);
    for (let n = 0; n < 3; n += 1) others.onRead(ctx, get, 'a');
    await others.stop();
    expect(await broken.dropped('read')).toBe(3);
    expect(broken.lines.map(({ msg }) => msg)).toEqual(['reads could not be recorded', 'reads were not recorded']);
    expect([changes, lines]).toEqual([[], []]);
  });
});
