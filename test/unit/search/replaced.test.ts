import { expect, it } from 'vitest';
import type { Context } from '../../../src/context.js';
import type { Corpus, Searchable } from '../../../src/search/corpus.js';
import { searchSchema } from '../../../src/search/schemas.js';
import { search } from '../../../src/search/search.js';
import { CORPUS, found, legOf, searching } from './support/stub-corpus.js';

const REVISION = 7;
const texts = { filled: 'report as it is now', asked: 'report' };

/** An index that is behind with `d1`, and a database where that is at another content. */
function behind(learns: boolean) {
  const told: unknown[] = [];
  let isTold = false;
  const legs = () => {
    const late = found('d1');
    if (isTold && learns) late.passages = [{ content_revision: REVISION, ordinal: 0, score: 1 }];
    return { text: legOf('text', [found('d0'), late], true), vector: undefined };
  };
  const { warmIndex, ...rest } = searching(legs);
  const changed: Context['warmIndex']['changed'] = async (change) => {
    told.push(change);
    isTold = true;
  };
  const corpus: Corpus<Searchable> = {
    ...CORPUS,
    page: async (_, { ids, passages, filled }) => ({
      documents: ids.map((id) => ({ id, passage_count: 1 })),
      contentRevisions: ids.map((id) => (id === 'd1' ? REVISION : 1)),
      texts: passages.map(([id, revision]) =>
        id === 'd0' || revision === REVISION ? texts.asked : filled ? texts.filled : undefined,
      ),
    }),
  };
  const ctx: Context = { ...rest, warmIndex: { ...warmIndex, changed } };
  const ask = () =>
    search(ctx, corpus, searchSchema.parse({ query: 'report', mode: 'text' }), AbortSignal.timeout(5_000));
  return { told, ask };
}

const shown = ({ hits }: Awaited<ReturnType<typeof search>>) =>
  hits.map(({ id, passages }) => `${id}: ${passages.map(({ text }) => text).join()}`);
const change = { resources: ['knowledge:d1'] };

it('tells the index of a document that it does not know as it is, and asks it again', async () => {
  const { ask, told } = behind(true);
  expect(shown(await ask())).toEqual([`d0: ${texts.asked}`, `d1: ${texts.asked}`]);
  expect(told).toEqual([change]);
});

it('shows what is there now when the index does not learn of it', async () => {
  const { ask, told } = behind(false);
  expect(shown(await ask())).toEqual([`d0: ${texts.asked}`, `d1: ${texts.filled}`]);
  expect(told).toEqual([change, change]);
});
