import fc from 'fast-check';
import snowball from 'snowball-stemmers';
import { describe, expect, it } from 'vitest';
import { LANGUAGES } from '../../../../src/config.js';
import { createAnalyzer } from '../../../../src/warm-index/text/analyzer.js';
import { fold } from '../../../../src/warm-index/text/fold.js';
import { highlight, termsOf } from '../../../../src/warm-index/text/highlight.js';

const english = createAnalyzer('english');

// That the terms are the engine's is tested on the engine: test/engine/warm-index-words.test.ts.
describe('the analyzer', () => {
  it('cuts at everything that is neither letter nor number, folds and stems', () => {
    const text = "Running, w2bcx: naïve “Straße” don't—x😀y e\u0301te 北京!";
    expect(english.terms(text)).toEqual(['run', 'w2bcx', 'naiv', 'strass', 'don', 't', 'x', 'y', 'e', 'te', 'bei j']);
    expect(createAnalyzer('portuguese').terms('ações Ação')).toEqual(['aco', 'aca']);
  });

  it.each(LANGUAGES)('stems long words as the library does, by their beginning and end: %s', (language) => {
    const stemmer = snowball.newStemmer(language);
    const syllable = fc.constantFrom('ba', 'den', 'lo', 'ris', 'tu', 'may', 'nig', 'ol', 'per', 'sch');
    const ending = fc.constantFrom('ing', 's', 'ation', 'mente', 'ungen', 'ements', 'ando', 'ly', 'heit', 'issimo', '');
    const words = fc.tuple(fc.array(syllable, { minLength: 130, maxLength: 250 }), ending);
    fc.assert(
      fc.property(words, ([syllables, end]) => {
        const word = syllables.join('') + end;
        expect(createAnalyzer(language).terms(word)).toEqual([stemmer.stem(word)]);
      }),
    );
  });

  it('takes time by the length of a word, not by its square', () => {
    const analyzer = createAnalyzer('french');
    // The library takes minutes for each of them.
    for (const letters of ['ay', 'y', 'ﷺ', 'iu'])
      expect(analyzer.terms(letters.repeat(500_000)).join('').length).toBeGreaterThan(400_000);
  });

  it('says where each word stands', () => {
    const text = 'a𝒳 ¿Qué? naïve';
    expect(english.tokens(text).map(({ term, start, end }) => [term, text.slice(start, end)])).toEqual([
      ['ax', 'a𝒳'],
      ['que', 'Qué'],
      ['naiv', 'naïve'],
    ]);
  });

  it('makes no terms of what has no letters, nor of halves of pairs', () => {
    expect(english.terms('')).toEqual([]);
    expect(english.terms(' -- … 😀 \ud800 \udc00\ud800')).toEqual([]);
    expect(english.terms('x\ud835y')).toEqual(['x', 'y']);
  });

  it('says the same when it has forgotten what it knew', () => {
    const words = Array.from({ length: 201_000 }, (_, i) => `word${i}s`);
    const terms = english.terms(words.join(' '));
    expect(terms.length).toBe(words.length);
    expect([terms[0], terms[200_999]]).toEqual(['word0', 'word200999']);
    expect(english.terms('word0s word200999s')).toEqual(['word0', 'word200999']);
  });

  it('has a version for each language', () => {
    expect(english.version).not.toBe(createAnalyzer('german').version);
  });
});

describe('fold', () => {
  it.each([
    ['Ação', 'acao'],
    ['ẞß', 'ssss'],
    ['İı', 'ii'],
    ['москва', 'moskva'],
    ['北京', 'bei jing'],
    ['北x京', 'bei xjing'],
    ['½', '1/2'],
    ['\u{20000}\u{2a700}', 'he[?]'],
    ['ь', ''],
    ['\u0301', ''],
  ])('%s is %s', (word, expected) => {
    expect(fold(word)).toBe(expected);
  });
});

describe('highlight', () => {
  it('marks the words that match, with all their letters, and nothing else', () => {
    expect(
      highlight('Runners run; he was RUNNING, naïvely. <i>&', termsOf(['running', 'naive'], english), english),
    ).toBe('Runners <b>run</b>; he was <b>RUNNING</b>, <b>naïvely</b>. <i>&');
    expect(highlight('𝒳 naïve 😀run', termsOf(['x', 'run'], english), english)).toBe('<b>𝒳</b> naïve 😀<b>run</b>');
  });

  it('leaves a text without them as it is', () => {
    expect(highlight('nothing here', termsOf(['else'], english), english)).toBe('nothing here');
    expect(highlight('nothing here', new Set(), english)).toBe('nothing here');
  });
});
