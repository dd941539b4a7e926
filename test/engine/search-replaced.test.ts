import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemContext } from '../../src/artifacts/system.js';
import type { Context } from '../../src/context.js';
import { DECISIONS } from '../../src/decisions/corpus.js';
import { createDecision } from '../../src/decisions/create.js';
import { deleteDecision } from '../../src/decisions/delete.js';
import { createDecisionSchema } from '../../src/decisions/schemas.js';
import { KNOWLEDGE } from '../../src/knowledge/corpus.js';
import { putDocument } from '../../src/knowledge/put.js';
import { type SearchInput, searchSchema } from '../../src/search/schemas.js';
import { search } from '../../src/search/search.js';
import { unavailable } from './support/engine.js';
import { openRig, type Rig } from './support/reconcile.js';

const signal = new AbortController().signal;
const near = [1, 0, 0, 0];
const isReading = (asked: string) => asked.startsWith('search/documents');
const isCosine = (asked: string) => asked.includes('array::flatten($documents');

describe.skipIf(unavailable)('a search whose hit is replaced between two of its reads', () => {
  let rig: Rig;
  let version = 0;
  beforeAll(async () => {
    rig = await openRig();
  });
  afterAll(() => rig.close());

  const admin = () => systemContext(rig.services, 'reconcile');

  /** Each time another text, and one passage more or less than before. */
  async function replace(): Promise<void> {
    version += 1;
    const passages = Array.from({ length: 1 + (version % 2) }, (_, ordinal) => ({
      text: `kestrel version${version} passage${ordinal}`,
      vector: [1, version / 1000, ordinal / 100, 0],
    }));
    await putDocument(admin(), { id: 'restless', passages, metadata: { version } }, { signal });
  }

  /** A context in which something happens before some of what is asked, `times` at most. */
  function disturbed(isDue: (asked: string) => boolean, happens: () => Promise<void>, times: number) {
    const asked: string[] = [];
    const ctx = admin();
    let left = times;
    const before = async (what: string) => {
      asked.push(what);
      if (!isDue(what) || left === 0) return;
      left -= 1;
      await happens();
    };
    const db: Context['db'] = {
      engine: rig.db.engine,
      query: async (name, params) => {
        await before(name);
        return rig.db.query(name, params);
      },
      run: async (statement) => {
        await before(statement.text);
        return rig.db.run(statement);
      },
      transact: (change) => rig.db.transact(change),
      isReady: () => rig.db.isReady(),
    };
    return { ctx: { ...ctx, db }, asked };
  }

  const ask = (ctx: Context, input: Partial<SearchInput>) =>
    search(ctx, KNOWLEDGE, searchSchema.parse({ query: 'kestrel', vector: near, ...input }), signal);

  const MODES: Partial<SearchInput>[] = [
    { mode: 'text' },
    { mode: 'vector' },
    { mode: 'hybrid', filter: { id: 'restless' } },
    { require: ['text', 'vector'] },
  ];

  /** The hit as it is now, with texts of nothing else. */
  function expectCurrent({ hits }: Awaited<ReturnType<typeof ask>>) {
    expect(hits).toMatchObject([{ id: 'restless', metadata: { version } }]);
    const { passages } = hits[0]!;
    expect(passages.length).toBeGreaterThan(0);
    for (const { ordinal, text } of passages) expect(text).toBe(`kestrel version${version} passage${ordinal}`);
    expect(new Set(passages.map(({ ordinal }) => ordinal)).size).toBe(passages.length);
  }

  it.each(MODES)('is made again when that was after it was found: %j', async (input) => {
    await replace();
    const { ctx, asked } = disturbed(isReading, replace, 1);
    expectCurrent(await ask(ctx, input));
    expect(asked.filter(isReading)).toEqual(['search/documents', 'search/documents']);
  });

  it.each(MODES)('has the texts of what is there now when it never stays: %j', async (input) => {
    for (let turn = 0; turn < 2; turn += 1) {
      await replace();
      const { ctx, asked } = disturbed(isReading, replace, 100);
      expectCurrent(await ask(ctx, input));
      expect(asked.filter(isReading)).toEqual(['search/documents', 'search/documents', 'search/documents-filled']);
    }
  });

  it.each([
    { mode: 'vector', filter: { id: 'restless' } },
    { mode: 'hybrid', filter: { id: 'restless' } },
    { require: ['text', 'vector'] },
  ] satisfies Partial<SearchInput>[])('has its cosine when that was before it was compared: %j', async (input) => {
    await replace();
    const answer = await ask(disturbed(isCosine, replace, 100).ctx, input);
    expectCurrent(answer);
    expect(answer.hits[0]!.scores.vector).toBeGreaterThan(0.9);
  });

  it('asks once for what has no vector, and once for the texts of what stayed', async () => {
    await putDocument(admin(), { id: 'wordy', passages: [{ text: 'heron' }] }, { signal });
    const { ctx, asked } = disturbed(() => false, replace, 0);
    await ask(ctx, { query: 'heron', filter: { id: { $in: ['wordy', 'restless'] } } });
    expect(asked.filter(isReading)).toEqual(['search/documents']);
    expect(asked.filter(isCosine)).toHaveLength(1);
  });

  it('finds a decision that was deleted and made again', async () => {
    const made = () => {
      version += 1;
      const input = { id: 'again', agent_id: 'judge', decision_type: 'action', reasoning: `osprey version${version}` };
      return createDecision(admin(), createDecisionSchema.parse(input), signal);
    };
    await made();
    const again = async () => {
      await deleteDecision(admin(), 'again');
      await made();
    };
    const { ctx } = disturbed((what) => what.startsWith('decisions/page'), again, 100);
    const { hits } = await search(ctx, DECISIONS, searchSchema.parse({ query: 'osprey', mode: 'text' }), signal);
    expect(hits).toMatchObject([{ id: 'again', passages: [{ ordinal: 0, text: `osprey version${version}` }] }]);
  });
});
