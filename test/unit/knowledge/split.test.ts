import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Passage, type SplitOptions, splitText } from '../../../src/knowledge/split.js';

const pieces = fc.constantFrom(
  'a',
  'word',
  'Uma frase curta.',
  'Is it? ',
  'Yes! ',
  ' ',
  '\n',
  '\n\n',
  '\t',
  '\u00a0',
  '😀',
  '👩‍👩‍👧‍👦',
  '🇧🇷🇵🇹',
  'e\u0301',
  '\u0301',
  '中文',
  '。',
  '.',
  'Dr. Who, e.g. at 3.5 km. ',
  '\u200b',
  '\r\n',
);
const contents = fc
  .array(fc.tuple(pieces, fc.integer({ min: 1, max: 12 })), { maxLength: 60 })
  .map((parts) => parts.map(([piece, times]) => piece.repeat(times)).join(''));
const options: fc.Arbitrary<SplitOptions> = fc.record({
  language: fc.constantFrom('english', 'german'),
  maxPassages: fc.integer({ min: 1, max: 20 }),
  targetChars: fc.integer({ min: 2, max: 120 }),
  overlapChars: fc.integer({ min: 0, max: 60 }),
});

/** What every split must keep, whatever the content. */
function expectSound(content: string, passages: Passage[], maxPassages: number): void {
  expect(passages.length).toBeLessThanOrEqual(maxPassages);
  let covered = 0;
  let previous = -1;
  for (const { text, start, end } of passages) {
    expect(text).toBe(content.slice(start, end));
    expect(text).toBe(text.trim());
    expect(text).not.toBe('');
    expect(text).not.toMatch(/\p{Surrogate}/u);
    expect(start).toBeGreaterThan(previous);
    expect(end).toBeGreaterThan(covered);
    expect(content.slice(covered, Math.max(covered, start)).trim()).toBe('');
    previous = start;
    covered = end;
  }
  expect(content.slice(covered).trim()).toBe('');
}

describe('splitText', () => {
  it('covers any content with bounded, trimmed passages that go forward', () => {
    fc.assert(
      fc.property(contents, options, (content, given) => {
        const passages = splitText(content, given);
        expectSound(content, passages, given.maxPassages!);
        expect(splitText(content, given)).toEqual(passages);
      }),
      { numRuns: 1000 },
    );
  });

  it('leaves a short text whole, trimmed', () => {
    expect(splitText('  A text. Of two sentences.\n', { language: 'english' })).toEqual([
      { text: 'A text. Of two sentences.', start: 2, end: 27 },
    ]);
  });

  it.each(['', ' ', '\n\n\t \u00a0'])('makes nothing of %j', (content) => {
    expect(splitText(content, { language: 'english' })).toEqual([]);
  });

  const sentences = Array.from(
    { length: 60 },
    (_, n) => `Sentence ${n} of this text has its number in front, and ends.`,
  );

  it('begins and ends on sentence borders, overlapping by about one', () => {
    const content = sentences.join(' ');
    const passages = splitText(content, { language: 'english', targetChars: 400, overlapChars: 60 });
    expectSound(content, passages, 512);
    expect(passages.length).toBeGreaterThan(5);
    for (const [index, { text, start }] of passages.entries()) {
      expect(text).toMatch(/^Sentence \d+ .* ends\.$/);
      expect(text.length).toBeLessThanOrEqual(400);
      if (index > 0) {
        const overlap = passages[index - 1]!.end - start;
        expect(overlap).toBeGreaterThanOrEqual(30);
        expect(overlap).toBeLessThanOrEqual(90);
      }
    }
  });

  it('knows sentences from abbreviated numbers, and takes words where there are no sentences', () => {
    const content = Array.from({ length: 300 }, (_, n) => `word${n}`).join(' ');
    const known = new Set(content.split(' '));
    const passages = splitText(content, { language: 'english', targetChars: 200, overlapChars: 20 });
    expect(passages.length).toBeGreaterThan(5);
    for (const { text } of passages) for (const word of text.split(' ')) expect(known.has(word)).toBe(true);
  });

  it('cuts between the characters of a text without words', () => {
    for (const character of ['👩‍👩‍👧‍👦', 'e\u0301', '😀']) {
      const passages = splitText(character.repeat(200), { language: 'english', targetChars: 100, overlapChars: 20 });
      expect(passages.length).toBeGreaterThan(3);
      for (const { text } of passages) expect(text).toBe(character.repeat(text.length / character.length));
    }
  });

  const million = (piece: string) =>
    piece.repeat(Math.ceil(2_000_000 / piece.length)).slice(0, 2_000_000 - (2_000_000 % piece.length));
  const large: [string, string][] = [
    ['prose', million(`${sentences.join(' ')}\n\n`)],
    ['one character', million('a')],
    ['newlines around two words', `a${million('\n')}b`],
    ['emoji', million('😀')],
    ['flags', million('🇧🇷🇵🇹')],
    ['one base with a million accents', `a${million('\u0301')}`],
    ['spaces mostly', million('a            ')],
    ['ideographs without spaces', million('中文文本没有空格')],
  ];
  it.each(large)('keeps 2 MB of %s within 512 passages', (_, content) => {
    const passages = splitText(content, { language: 'english' });
    expectSound(content, passages, 512);
    const longest = Math.max(...passages.map(({ text }) => text.length));
    // Not far above an equal share with its overlap.
    expect(longest).toBeLessThanOrEqual(1.1 * (content.length / 512) + 400);
  });
});
