import { seededRandom, type TestDocument, unitVector } from './search.js';

export const DIMENSIONS = 16;

/**
 * Documents for search tests: words `w0` (in nearly half) to `w79` (in few), `everywhere` in nearly all; vectors around
 * eight centres, none for every ninth document; every twentieth document has many passages with vectors of their own.
 */
export function searchCorpus(count: number, seed = 1): TestDocument[] {
  const random = seededRandom(seed);
  const centres = Array.from({ length: 8 }, () => unitVector(random, DIMENSIONS));
  const words = (length: number) =>
    Array.from({ length }, () => `w${Math.floor(80 * random() ** 2)}`).join(random() < 0.5 ? ' ' : ', ');
  return Array.from({ length: count }, (_, n) => {
    const centre = centres[n % centres.length]!;
    const vector = () => unitVector(random, DIMENSIONS, centre, 0.7);
    const everywhere = n % 50 === 49 ? '' : ' everywhere.';
    const document: TestDocument = {
      id: `d${String(n).padStart(4, '0')}`,
      metadata: {
        n,
        parity: n % 2 === 0 ? 'even' : 'odd',
        file_size: n * 50_000,
        tags: [`t${n % 5}`, n % 3 === 0 ? 'third' : 'other'],
        nested: { level: n % 4, 'with-dash': `x${n % 6}` },
        ...(n % 7 === 0 ? { note: null } : {}),
        ...(n % 10 === 0 ? { mixed: n } : n % 10 === 1 ? { mixed: String(n) } : {}),
      },
      agent_id: `agent-${n % 4}`,
      language: n % 3 === 0 ? 'portuguese' : 'english',
      ...(n % 6 === 0 ? { title: `heading${n % 12}` } : {}),
      ...(n % 8 === 0 ? { artifact_id: `file-${n % 16}` } : {}),
    };
    if (n % 20 === 0) {
      const passages = Array.from({ length: 3 + (n % 15) }, () => ({ text: words(12) + everywhere, vector: vector() }));
      return { ...document, passages };
    }
    return { ...document, content: words(12) + everywhere, ...(n % 9 === 0 ? {} : { vector: vector() }) };
  });
}
