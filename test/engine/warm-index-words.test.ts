import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { LANGUAGES, type Language } from '../../src/config.js';
import { compileText } from '../../src/search/compile.js';
import { queryWords } from '../../src/search/words.js';
import { type Connection, connect } from '../../src/surreal/connection.js';
import type { Session } from '../../src/surreal/link.js';
import { Documents } from '../../src/warm-index/documents.js';
import { createAnalyzer } from '../../src/warm-index/text/analyzer.js';
import { highlight } from '../../src/warm-index/text/highlight.js';
import { Postings } from '../../src/warm-index/text/postings.js';
import { hardTexts, passageTexts, questions } from '../support/texts.js';
import { onStack, unavailable } from './support/engine.js';

const SCHEMA = readFileSync(new URL('../../surql/schema/passages.surql', import.meta.url), 'utf8');
const PUNCTUATION = /^[!-/:-@[-`{-~]$/;

describe.skipIf(unavailable)('the words of the warm index', () => {
  let connection: Connection;
  const sessions = new Map<Language, Session>();
  const sessionOf = (language: Language) => sessions.get(language)!;

  beforeAll(async () => {
    const url = onStack ? inject('surrealUrl') : `rocksdb://${mkdtempSync(join(tmpdir(), 'acervo-words-'))}`;
    connection = await connect({ url, username: 'root', password: 'root', timeoutMs: 15_000 });
    for (const language of LANGUAGES) {
      const { reads: session } = await connection.openSessions('test', `words_${language}_${process.pid}`);
      await session.query(SCHEMA.replace('{{language}}', language));
      sessions.set(language, session);
    }
  });

  afterAll(() => connection.close());

  /** The engine's terms without the marks of punctuation that it makes terms of. */
  async function engineTerms(language: Language, texts: string[]): Promise<string[][]> {
    const [terms] = await sessionOf(language).query<[string[][]]>(
      `RETURN $texts.map(|$text| search::analyze('passage_words', $text))`,
      { texts },
    );
    return terms.map((of) => of.filter((term) => !PUNCTUATION.test(term)));
  }

  function ownTerms(language: Language, texts: string[]): string[][] {
    const analyzer = createAnalyzer(language);
    // A stemmer can leave a mark: "ʼʼs" is "'".
    return texts.map((text) => analyzer.terms(text).filter((term) => !PUNCTUATION.test(term)));
  }

  it('of every character are those of the engine', async () => {
    const step = 8_192;
    // Beyond U+34000 there are no letters yet, but for those of private use and tags: every tenth stretch will do.
    for (let first = 1; first < 0x110000; first += first < 0x34000 ? step : 10 * step) {
      const points = Array.from({ length: step }, (_, i) => first + i);
      const characters = points
        .filter((point) => point < 0xd800 || (point > 0xdfff && point < 0x110000))
        .map((p) => String.fromCodePoint(p));
      const texts = [characters.map((character) => `b${character}b`).join('\n'), characters.join('\n')];
      expect(ownTerms('english', texts)).toEqual(await engineTerms('english', texts));
    }
  });

  it.each(LANGUAGES)('of hard texts are those of the engine: %s', async (language) => {
    await fc.assert(
      fc.asyncProperty(fc.array(hardTexts(language), { minLength: 20, maxLength: 20 }), async (texts) => {
        expect(ownTerms(language, texts)).toEqual(await engineTerms(language, texts));
      }),
      { numRuns: 40 },
    );
  });

  it.each(LANGUAGES)('find and mark what the full-text index finds and marks: %s', async (language) => {
    const session = sessionOf(language);
    const analyzer = createAnalyzer(language);
    const texts = fc.sample(passageTexts(language), { numRuns: 60, seed: 7 });
    const rows = texts.map((text, i) => ({ id: [`d${String(i).padStart(3, '0')}`, 1, 0], text }));
    await session.query(
      `FOR $row IN $rows { CREATE type::record('passages', $row.id)
         SET text = $row.text, document = type::record('knowledge_index', $row.id[0]) RETURN NONE }`,
      { rows },
    );
    const documents = new Documents();
    const postings = new Postings();
    rows.forEach(({ id: [id], text }) => {
      const { firstSlot } = documents.add(
        { id: String(id), revision: 1, content_revision: 1 },
        { passages: 1, whole: false },
      );
      postings.add(firstSlot, analyzer.terms(text));
    });
    const seen = { some: 0, none: 0 };
    for (const question of fc.sample(questions(language), { numRuns: 120, seed: 7 })) {
      const words = queryWords(question, language);
      const terms = words.flatMap((word) => analyzer.terms(word));
      for (const match of ['any', 'all'] as const) {
        const { text, params } = compileText({
          ...{ words: words.join(' '), match, filter: undefined, limit: 100, of: 'document' },
        });
        // The product marks words itself; here the engine does too.
        const marking = text.replace('AS score', `AS score, text, search::highlight('<b>', '</b>', 1) AS highlight`);
        const [found] = await session.query<[{ key: unknown[]; text: string; highlight: string }[]]>(marking, params);
        const expected = new Map(found.map((row) => [row.key[0], row.highlight]));
        const { slots, count } = postings.search({ terms, match, documents });
        const own = Array.from(slots.subarray(0, count), (slot) => documents.idOf(documents.rowOfSlot[slot]!));
        expect([match, words, own.sort()]).toEqual([match, words, [...expected.keys()].sort()]);
        for (const row of found) expect(highlight(row.text, new Set(terms), analyzer)).toBe(row.highlight);
        seen[count > 0 ? 'some' : 'none'] += 1;
      }
    }
    expect(Math.min(seen.some, seen.none)).toBeGreaterThan(10);
  });
});
