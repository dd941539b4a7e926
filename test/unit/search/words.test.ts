import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LANGUAGES, type Language } from '../../../src/config.js';
import { foldAccents, queryWords } from '../../../src/search/words.js';

describe('queryWords', () => {
  const cases: [Language, string, string[]][] = [
    ['english', 'What is the price of a Red-Fox, in "Lisbon"?', ['price', 'red', 'fox', 'lisbon']],
    [
      'english',
      "I don't know who won't come: we'll see the company's haven",
      ['know', 'come', 'see', 'company', 'haven'],
    ],
    ['english', 'who won the race', ['won', 'race']],
    ['english', 'E_CONN v1.2.3 user@example.com C++', ['e', 'conn', 'v1', '2', '3', 'user', 'example', 'com', 'c']],
    ['portuguese', 'Não há informações sobre as ações da Petrobrás?', ['informações', 'sobre', 'ações', 'petrobrás']],
    ['portuguese', 'NAO ha acoes', ['acoes']],
    ['spanish', '¿Cuál es el valor del empleo en España?', ['valor', 'empleo', 'españa']],
    ['french', "L'été à l’île d'Oléron", ['île', 'oléron']],
    ['german', 'Die Größe der Straße, daß und dass', ['größe', 'straße']],
    ['italian', "perché l'università è chiusa", ['università', 'chiusa']],
    ['english', 'cafe\u0301 CAFÉ cafe', ['café']],
    ['english', 'हिन्दी की कि', ['हिन्दी', 'की', 'कि']],
    ['english', 'to be or not to be', ['to', 'be', 'or', 'not']],
    ['english', ' — … ?! \u0301 ', []],
    ['english', '', []],
  ];
  it.each(cases)('in %s, of %j', (language, query, expected) => {
    expect(queryWords(query, language)).toEqual(expected);
  });

  it('stops at 64 words', () => {
    const many = Array.from({ length: 100 }, (_, index) => `w${index}`);
    expect(queryWords(many.join(' '), 'english')).toEqual(many.slice(0, 64));
  });

  it('makes clean words of any text, and the same ones of them', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ unit: 'grapheme', maxLength: 200 }),
    );
    fc.assert(
      fc.property(texts, fc.constantFrom(...LANGUAGES), (text, language) => {
        const words = queryWords(text, language);
        for (const word of words) {
          expect(word).toMatch(/^[\p{L}\p{N}\p{M}]+$/u);
          expect(word).toBe(word.normalize('NFC'));
        }
        expect(new Set(words.map(foldAccents)).size).toBe(words.length);
        expect(words.length).toBeLessThanOrEqual(64);
        expect(queryWords(words.join(' '), language)).toEqual(words);
      }),
    );
  });
});

describe('foldAccents', () => {
  it.each([
    ['Ação', 'acao'],
    ['cafe\u0301', 'cafe'],
    ['STRASSE Straße', 'strasse strasse'],
    ['Æsir œuvre Øresund Łódź đ İstanbul ı', 'aesir oeuvre oresund lodz d istanbul i'],
    ['हिन्दी', 'हिन्दी'],
  ])('folds %j', (text, expected) => {
    expect(foldAccents(text)).toBe(expected);
  });
});
