import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashText } from '../../../src/embeddings/hashing.js';

const DIMENSIONS = 512;
const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
const similarity = (a: string, b: string) => dot(hashText(a, DIMENSIONS), hashText(b, DIMENSIONS));
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.lorem(),
  fc.constantFrom('', '   ', '!?', '…', '\ud800', '\0'),
);

describe('hashText', () => {
  it('gives a finite unit vector for any text and any dimensions', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 2, max: 700 }), (text, dimensions) => {
        const vector = hashText(text, dimensions);
        expect(vector.length).toBe(dimensions);
        expect(Math.hypot(...vector)).toBeCloseTo(1, 10);
      }),
    );
  });

  it('is deterministic', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(hashText(text, 64)).toEqual(hashText(text, 64));
      }),
    );
  });

  it('computes what it computed when the space was named v1', () => {
    const vector = hashText('Ação e reação: 3 Grüße', 16).map((value) => Number(value.toFixed(6)));
    expect(vector).toMatchInlineSnapshot(`
      [
        0.078122,
        0.507178,
        -0.309942,
        0.112706,
        0,
        -0.140883,
        0.190828,
        0.472594,
        0.090937,
        0.225412,
        -0.225412,
        0,
        -0.090937,
        0.190828,
        0.338119,
        -0.281766,
      ]
    `);
  });

  it('ignores case and accents, however they are written', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('ação', 'Über', 'naïve', 'école', 'Straße', 'niño'), { minLength: 1 }),
        (words) => {
          const text = words.join(' ');
          const plain = hashText(text, 128);
          expect(hashText(text.toUpperCase().replaceAll('SS', 'ß'), 128)).toEqual(plain);
          expect(hashText(text.normalize('NFD'), 128)).toEqual(plain);
          expect(hashText(text.normalize('NFD').replace(/[\u0300-\u036f]/g, ''), 128)).toEqual(plain);
        },
      ),
    );
  });

  it('ignores what stands between the words', () => {
    expect(hashText('storage, for; objects!', 64)).toEqual(hashText('  storage for\n\nobjects', 64));
  });

  it('heeds the order of words a little', () => {
    const swapped = similarity('the dog bit the man', 'the man bit the dog');
    expect(swapped).toBeLessThan(1 - 1e-6);
    expect(swapped).toBeGreaterThan(0.7);
  });

  it('has texts with common words nearer than texts without', () => {
    const word = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz'), minLength: 5, maxLength: 10 });
    fc.assert(
      fc.property(fc.uniqueArray(word, { minLength: 18, maxLength: 18 }), (words) => {
        const text = words.slice(0, 6).join(' ');
        const related = [...words.slice(0, 3), ...words.slice(6, 9)].join(' ');
        const unrelated = words.slice(12).join(' ');
        // Chance pieces in common may bring strangers nearer: only words without a common trigram are strangers.
        const trigrams = (s: string) => [...s].map((_, i) => s.slice(i, i + 3)).filter((gram) => gram.length === 3);
        const mine = new Set(trigrams(text));
        fc.pre(!trigrams(unrelated).some((gram) => mine.has(gram)));
        expect(similarity(text, related)).toBeGreaterThan(similarity(text, unrelated));
      }),
      { seed: 42, numRuns: 100 },
    );
  });

  it.each([
    ['How are objects stored?', 'The object store keeps objects on disk.', 'Bees make honey in summer.'],
    ['backup schedule', 'Scheduled backups run at night.', 'The harbour master is away.'],
    ['custo da energia eólica', 'Custos das energias renováveis', 'O navio saiu do porto ontem'],
    ['conection refused', 'connection refused by peer', 'permission denied for file'],
    ['数据库的备份策略', '数据库备份', '今天天气很好'],
  ])('%j is nearer to %j than to %j', (query, near, far) => {
    expect(similarity(query, near)).toBeGreaterThan(similarity(query, far) + 0.05);
  });

  it('gives texts without words different axes', () => {
    expect(hashText('!!!', 512)).not.toEqual(hashText('???', 512));
    expect(hashText('!!!', 512).filter((value) => value !== 0)).toEqual([1]);
  });

  it('hashes only the start of a very long text', () => {
    const start = 'word '.repeat(6400);
    expect(start.length).toBe(32_000);
    expect(hashText(`${start}something else`, 64)).toEqual(hashText(start, 64));
  });
});
