import { describe, expect, test } from 'vitest';
import { MAX_WORD_CHARS, refuseLongWords } from '../../../src/knowledge/words.js';
import { isOfWords } from '../../../src/warm-index/text/fold.js';

const longest = (letter: string) => letter.repeat(MAX_WORD_CHARS);
const passages = (...texts: string[]) => texts.map((text, ordinal) => ({ ordinal, text }));

describe('a word that the analyzers would take too long for', () => {
  test.each(['y', 'é', '7', '夜', '𝒜', '\u0345'])('of %j is refused by its passage', (letter) => {
    const words = `so ${longest(letter)}, ${longest(letter)}`;
    expect(() => refuseLongWords(passages('short', words))).not.toThrow();
    expect(() => refuseLongWords(passages('short', `${words}${letter}.`))).toThrow(
      expect.objectContaining({
        code: 'knowledge:word_too_long',
        faults: [{ path: 'passages.1.text', message: 'holds a word of more than 10000 characters' }],
      }),
    );
  });

  // Each of these ends a word; together they are most of what long texts without spaces are made of.
  test.each([' ', '\n', '-', '_', '/', '+', '=', '.', ',', '’', '。', '\u200d', '🙂'])('ends at %j', (mark) => {
    expect(isOfWords(mark.codePointAt(0) ?? 0)).toBe(false);
    expect(() => refuseLongWords(passages(`${longest('y')}${mark}${longest('y')}`))).not.toThrow();
  });

  test('costs time by the length of the text, not by that of its words', () => {
    const text = `${longest('y')} `.repeat(199);
    const startMs = performance.now();
    refuseLongWords(passages(text));
    expect(performance.now() - startMs).toBeLessThan(2_000);
  });
});
