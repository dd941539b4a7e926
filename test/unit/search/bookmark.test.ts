import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { CursorSigner } from '../../../src/http/cursor.js';
import { Given } from '../../../src/search/bookmark.js';
import { MAX_WINDOW, type SearchInput, searchSchema } from '../../../src/search/schemas.js';
import { search } from '../../../src/search/search.js';
import { CORPUS, found, legOf, searching } from './support/stub-corpus.js';

describe('pages of a search', () => {
  const signer = new CursorSigner({ secret: randomBytes(32), clock: () => new Date(), ttlSeconds: 60 });
  let matching = Array.from({ length: 1_500 }, (_, n) => `d${n}`);
  const legs = (depth: number) => ({
    text: legOf(
      'text',
      matching.slice(0, depth).map((id, place) => found(id, 2_000 - place)),
      matching.length <= depth,
    ),
    vector: undefined,
  });
  const ctx = { ...searching(legs), cursors: signer };
  const ask = (input: Partial<SearchInput>) =>
    search(ctx, CORPUS, searchSchema.parse({ query: 'report', mode: 'text', ...input }), AbortSignal.timeout(30_000));

  it('give each of the thousand best once, by cursors that the next request may bring', async () => {
    const limit = 90;
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await ask({ limit, cursor });
      ids.push(...page.hits.map(({ id }) => id));
      cursor = page.cursor;
      expect(page.hits).toHaveLength(cursor === undefined ? MAX_WINDOW % limit : limit);
    } while (cursor !== undefined);
    expect(ids).toEqual(matching.slice(0, MAX_WINDOW));
  });

  it('go on behind what was given, whatever has left or come before it', async () => {
    const first = await ask({ limit: 10 });
    matching = ['new', ...matching.filter((id) => !['d2', 'd3', 'd12'].includes(id))];
    const second = await ask({ limit: 10, cursor: first.cursor });
    expect(second.hits.map(({ id }) => id)).toEqual(
      ['new', ...Array.from({ length: 10 }, (_, n) => `d${n + 10}`)].filter((id) => id !== 'd12'),
    );
  });

  it('are refused when the cursor is of the version before, which named a place', async () => {
    const first = await ask({ limit: 10 });
    const old = new CursorSigner({ secret: randomBytes(32), clock: () => new Date(), ttlSeconds: 60 });
    const opening = { ...ctx, cursors: { sign: old.sign, verify: () => ({ offset: 10 }) } as unknown as CursorSigner };
    const input = searchSchema.parse({ query: 'report', mode: 'text', limit: 10, cursor: first.cursor });
    await expect(search(opening, CORPUS, input, AbortSignal.timeout(5_000))).rejects.toMatchObject({
      code: 'cursor:invalid',
    });
  });
});

describe('what was given', () => {
  it('is known again from its text, and nothing else is', () => {
    const ids = Array.from({ length: 999 }, (_, n) => `id-${n}`);
    const text = new Given('a question', new Given('a question').with(ids.slice(0, 400))).with(ids.slice(400));
    const given = new Given('a question', text);
    expect([text.length, given.size]).toEqual([999 * 8, 999]);
    expect(ids.every((id) => given.has(id))).toBe(true);
    expect(ids.some((id) => given.has(`${id}x`))).toBe(false);
    expect(ids.some((id) => new Given('another question', text).has(id))).toBe(false);
  });
});
