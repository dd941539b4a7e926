import { Readable } from 'node:stream';
import { text as textOf } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteArtifact } from '../../src/artifacts/delete.js';
import { putContent } from '../../src/artifacts/put-content.js';
import { settleArtifact } from '../../src/artifacts/settle.js';
import { systemContext } from '../../src/artifacts/system.js';
import { undeleteArtifact } from '../../src/artifacts/undelete.js';
import { listVersions, restoreVersion } from '../../src/artifacts/versions.js';
import type { Context } from '../../src/context.js';
import { AcervoError } from '../../src/errors/error.js';
import { FAULT_POINTS, type FaultPoint } from '../../src/fault-points.js';
import { unavailable } from './support/engine.js';
import { openRig, type Rig } from './support/reconcile.js';

/** What can happen to one artifact: by its verbs (which may crash at a point), or behind the server's back. */
type Step =
  | { kind: 'upload'; text: string; crash: FaultPoint | undefined }
  | { kind: 'delete' | 'undelete' | 'restore'; crash: FaultPoint | undefined }
  | { kind: 'stranger-puts'; text: string }
  | { kind: 'stranger-hides' | 'stranger-destroys' | 'settle' | 'expiry-event' }
  | { kind: 'time'; seconds: number };

const crash = fc.option(
  fc.constantFrom(...FAULT_POINTS.filter((point) => /^(upload|delete|undelete|restore):/.test(point))),
  {
    nil: undefined,
    freq: 3,
  },
);
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('upload' as const), text, crash }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'undelete' as const, 'restore' as const), crash }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('stranger-puts' as const), text }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'stranger-hides' as const,
        'stranger-destroys' as const,
        'settle' as const,
        'expiry-event' as const,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.constantFrom(1, 4000) }) },
);

class Killed extends Error {}

describe.skipIf(unavailable)('pointer and object', () => {
  let rig: Rig;
  let runs = 0;
  beforeAll(async () => {
    rig = await openRig();
  });
  afterAll(() => rig.close());

  function contextWith(point: FaultPoint | undefined): Context {
    const passFaultPoint = (at: FaultPoint) => {
      if (at === point) throw new Killed(at);
    };
    return systemContext({ ...rig.services, passFaultPoint }, 'reconcile');
  }

  const upload = (ctx: Context, id: string, content: string) =>
    putContent(ctx, id, {
      body: Readable.from([Buffer.from(content)], { objectMode: false }),
      size_bytes: Buffer.byteLength(content),
      ...{ content_type: 'text/plain', sha256: undefined, expectedRevision: undefined },
    });

  /** Does one step. `told` gathers what was acknowledged: version id → text. */
  async function take(one: Step, id: string, told: Map<string, string>): Promise<void> {
    const name = { bucket: rig.bucket, key: id };
    const ctx = contextWith('crash' in one ? one.crash : undefined);
    switch (one.kind) {
      case 'upload': {
        const { artifact } = await upload(ctx, id, one.text);
        told.set(artifact.version_id ?? '', one.text);
        return;
      }
      case 'delete':
        return void (await deleteArtifact(ctx, id));
      case 'undelete':
        return void (await undeleteArtifact(ctx, id));
      case 'restore': {
        const oldest = (await listVersions(ctx, id)).at(-1);
        if (oldest === undefined) return;
        const { artifact } = await restoreVersion(ctx, id, oldest.version_id);
        const restored = told.get(oldest.version_id);
        // The current version stays as it is, though it may have been destroyed without our knowing yet.
        if (artifact.version_id !== oldest.version_id && restored !== undefined)
          told.set(artifact.version_id ?? '', restored);
        return;
      }
      case 'stranger-puts':
        return void (await rig.put(name, one.text));
      case 'stranger-hides':
        return rig.disk.delete(name);
      case 'stranger-destroys': {
        const newest = (await rig.disk.versions(name)).find(({ deleted }) => !deleted);
        if (newest === undefined) return;
        await rig.disk.delete({ ...name, version_id: newest.version_id });
        told.delete(newest.version_id);
        return;
      }
      case 'time':
        return rig.advance(one.seconds);
      default: {
        const hint = one.kind === 'expiry-event' ? { hint: { lifecycle: true } } : {};
        await settleArtifact(ctx, await rig.row(id), { apply: true, ...hint });
      }
    }
  }

  it('agree again after whatever happens, and no acknowledged byte is missing', async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      runs += 1;
      const id = `run-${runs}`;
      const told = new Map<string, string>();
      const first = 'what was reserved';
      await rig.reserve(id, Buffer.byteLength(first));
      for (const one of [{ kind: 'upload', text: first, crash: undefined } as const, ...steps])
        await take(one, id, told).catch((error: unknown) => {
          if (!(error instanceof Killed) && !(error instanceof AcervoError)) throw error;
        });
      // Longer than any grace time: whatever is in flight has ended.
      rig.advance(100_000);
      const ctx = contextWith(undefined);
      await settleArtifact(ctx, await rig.row(id), { apply: true });
      expect(await settleArtifact(ctx, await rig.row(id), { apply: true })).toBeUndefined();

      const row = await rig.row(id);
      expect(['stored', 'deleted', 'expired', 'abandoned']).toContain(row.status);
      const name = { bucket: rig.bucket, key: id };
      for (const [version_id, content] of told)
        expect(await textOf((await rig.disk.get({ ...name, version_id })).body)).toBe(content);
      const current = await rig.disk.stat(name).catch(() => undefined);
      if (row.status === 'stored') {
        expect(current).toBeDefined();
        expect(told.get(row.version_id ?? '') ?? 'not acknowledged').toSatisfy(
          (content: string) => content === 'not acknowledged' || Buffer.byteLength(content) === row.size_bytes,
        );
      } else expect(current).toBeUndefined();
    });
    await fc.assert(property, { numRuns: 150 });
    expect(await rig.look()).toMatchObject({ left: 0, findings: [] });
  });
});
