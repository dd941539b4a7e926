import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bitset } from '../../../../src/warm-index/bitset.js';
import { Documents } from '../../../../src/warm-index/documents.js';
import { Postings } from '../../../../src/warm-index/text/postings.js';

/** Documents of passages, of which some are removed, with the postings and a plain list of what they should hold. */
class Corpus {
  documents = new Documents();
  postings = new Postings();
  /** The terms of live passages, by document and ordinal. */
  live = new Map<string, string[][]>();

  add(id: string, passages: string[][], whole = false): void {
    this.remove(id);
    const { firstSlot } = this.documents.add(
      { id, revision: 1, content_revision: 1 },
      { passages: passages.length, whole },
    );
    passages.forEach((terms, ordinal) => {
      this.postings.add(firstSlot + ordinal, terms);
    });
    this.live.set(id, passages);
  }

  remove(id: string): void {
    const placed = this.documents.remove(id);
    for (let slot = placed?.firstSlot ?? 0; placed && slot < placed.firstSlot + placed.slots; slot += 1)
      this.postings.remove(slot);
    this.live.delete(id);
  }

  compact(): void {
    const { documents, renumbered } = this.documents.compacted();
    this.postings = this.postings.compacted(renumbered);
    this.documents = documents;
  }

  reload(): void {
    const parts = this.postings.dump();
    this.postings = Postings.load(
      Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.slice()])),
    );
  }

  search(terms: string[], match: 'any' | 'all', keeps?: ReadonlySet<string>): [string, number][] {
    const rows = new Bitset();
    for (const id of keeps ?? []) rows.add(this.documents.rowOf(id) ?? 0);
    const query = { terms, match, documents: this.documents, ...(keeps && { keeps: rows }) };
    const { slots, scores, count } = this.postings.search(query);
    return Array.from({ length: count }, (_, i): [string, number] => {
      const slot = slots[i]!;
      const id = this.documents.idOf(this.documents.rowOfSlot[slot]!);
      return [`${id}/${this.documents.ordinalOf(slot)}`, scores[i]!];
    }).sort(byName);
  }

  /** BM25 from the definition. */
  expected(terms: string[], match: 'any' | 'all', keeps?: ReadonlySet<string>): [string, number][] {
    const passages = [...this.live].flatMap(([id, of]) =>
      of.map((held, ordinal) => ({ id, name: `${id}/${ordinal}`, held })),
    );
    const all = passages.filter(({ held }) => held.length > 0);
    const average = all.reduce((sum, { held }) => sum + held.length, 0) / all.length;
    const wanted = [...new Set(terms)];
    const found: [string, number][] = [];
    for (const { id, name, held } of all) {
      const matched = wanted.filter((term) => held.includes(term));
      if (matched.length === 0 || (match === 'all' && matched.length < wanted.length)) continue;
      if (keeps !== undefined && !keeps.has(id)) continue;
      const score = matched.reduce((sum, term) => {
        const df = all.filter((passage) => passage.held.includes(term)).length;
        const tf = held.filter((one) => one === term).length;
        const idf = Math.log(1 + (all.length - df + 0.5) / (df + 0.5));
        return sum + (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * held.length) / average));
      }, 0);
      found.push([name, score]);
    }
    return found.sort(byName);
  }
}

const byName = ([a]: [string, number], [b]: [string, number]) => (a < b ? -1 : 1);

const terms = fc.constantFrom(...'abcdefghij');
const ids = fc.constantFrom(...Array.from({ length: 12 }, (_, i) => `d${i}`));
const passages = fc.array(fc.array(terms, { maxLength: 8 }), { maxLength: 3 });
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ add: ids, passages, whole: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ remove: ids }) },
    { weight: 1, arbitrary: fc.constantFrom('compact' as const, 'reload' as const) },
  ),
  { maxLength: 60 },
);
const queries = fc.record({
  terms: fc.array(fc.oneof(terms, fc.constant('unknown')), { maxLength: 4 }),
  match: fc.constantFrom('any' as const, 'all' as const),
  keeps: fc.option(fc.uniqueArray(ids), { nil: undefined }),
});

function expectSame(own: [string, number][], expected: [string, number][]): void {
  expect(own.map(([name]) => name)).toEqual(expected.map(([name]) => name));
  own.forEach(([, score], i) => {
    expect(score).toBeCloseTo(expected[i]![1], 9);
  });
}

describe('postings', () => {
  it('find and score what the definition says, through changes, removals, compactions and snapshots', () => {
    fc.assert(
      fc.property(steps, fc.array(queries, { minLength: 4, maxLength: 4 }), (changes, asked) => {
        const corpus = new Corpus();
        for (const step of changes) {
          if (step === 'compact') corpus.compact();
          else if (step === 'reload') corpus.reload();
          else if ('add' in step) corpus.add(step.add, step.passages, step.whole);
          else corpus.remove(step.remove);
          const [{ terms: words, match }] = asked as [(typeof asked)[0]];
          expectSame(corpus.search(words, match), corpus.expected(words, match));
        }
        for (const { terms: words, match, keeps } of asked) {
          const live = keeps && new Set(keeps.filter((id) => corpus.live.has(id)));
          expectSame(corpus.search(words, match, live), corpus.expected(words, match, live));
        }
        const held = [...corpus.live.values()].flat();
        for (const term of 'abcdefghij')
          expect(corpus.postings.documentFrequency(term)).toBe(held.filter((of) => of.includes(term)).length);
        expect(corpus.postings.size).toBe(held.filter((of) => of.length > 0).length);
      }),
      { numRuns: 300 },
    );
  });

  it('hold long lists: blocks of all sizes, intersections that skip', () => {
    const corpus = new Corpus();
    const holds = (i: number) => ['x', ...(i % 2 ? ['y'] : []), ...(i % 1_000 === 7 ? ['z', 'z'] : [])];
    for (let i = 0; i < 20_000; i += 1) corpus.add(`d${i}`, [holds(i)]);
    for (let i = 0; i < 20_000; i += 3) corpus.remove(`d${i}`);
    const check = () => {
      for (const words of [['x', 'z'], ['z', 'y', 'x'], ['y'], ['x', 'y']]) {
        const wanted = [...corpus.live].filter(([, [held]]) => words.every((word) => held!.includes(word)));
        expect(corpus.search(words, 'all').map(([name]) => name)).toEqual(wanted.map(([id]) => `${id}/0`).sort());
      }
      const some = [...corpus.live].filter(([, [held]]) => ['y', 'z'].some((word) => held!.includes(word)));
      expect(corpus.search(['y', 'z'], 'any').map(([name]) => name)).toEqual(some.map(([id]) => `${id}/0`).sort());
    };
    check();
    corpus.compact();
    check();
    for (let i = 20_000; i < 22_000; i += 1) corpus.add(`d${i}`, [holds(i)]);
    corpus.reload();
    check();
  });

  it('leave nothing behind of a removed passage once they are compacted', () => {
    const corpus = new Corpus();
    corpus.add('a', [['secret', 'word']]);
    corpus.add('b', [['word']]);
    corpus.remove('a');
    corpus.compact();
    const parts = corpus.postings.dump();
    expect(Buffer.from(parts['terms.bytes']!.buffer).toString('latin1')).not.toContain('secret');
    expect([...parts.lengths!]).toEqual([1]);
    expect([...parts.terms_of_slots!]).toEqual([0]);
  });

  it('count a frequency of more than 255 as 255', () => {
    const corpus = new Corpus();
    corpus.add('a', [Array.from({ length: 300 }, () => 'x')]);
    const idf = Math.log(1 + 0.5 / 1.5);
    expect(corpus.search(['x'], 'any')).toEqual([['a/0', expect.closeTo((idf * 2.2 * 255) / (255 + 1.2), 9)]]);
  });

  it('refuse a slot that was passed, and parts that do not fit', () => {
    const postings = new Postings();
    postings.add(3, ['x']);
    expect(() => postings.add(3, ['y'])).toThrow(RangeError);
    expect(() => postings.add(2, ['y'])).toThrow(RangeError);
    const parts = postings.dump();
    expect(() => Postings.load({ ...parts, lengths: new Uint32Array(2) })).toThrow('do not fit');
    expect(() => Postings.load({ ...parts, frequencies: new Uint8Array(2) })).toThrow('do not fit');
    expect(() => Postings.load({ ...parts, first: new Float64Array(2) })).toThrow('first is missing');
  });
});
