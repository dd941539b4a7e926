// Are the answers right? A benchmark of wrong answers measures something else.
import { numberOf } from './corpus.mjs';

/** Engines compute in single precision or with rounded numbers; scores that differ by less are ties. */
const TOLERANCE = { vector: 1e-5, text: 1e-3 };

/**
 * Judges one answer against brute force.
 * @param {import('./truth.mjs').Truth} truth of the documents that are stored
 * @param {{query: number, mode: string, limit: number, modulus: number, rrf: {k: number, depth: number}}} asked `rrf`: how the
 *   one who answered joins two legs: the constant for ranks from 1, and how many documents of each leg it takes
 * @param {string[]} ids
 * @returns {{faults: string[], recall: number}} recall of the best `limit` documents; those of equal scores stand for each other
 */
export function judge(truth, { query, mode, limit, modulus, rrf }, ids) {
  const legs = {
    ...(mode !== 'text' && { vector: truth.vector(query, modulus) }),
    ...(mode !== 'vector' && { text: truth.text(query, modulus) }),
  };
  const { matches } = legs.vector ?? legs.text;
  const wanted = Math.min(limit, matches);
  const found = ids.map(numberOf);
  const holdsWord = mode === 'text' ? new Set(legs.text.documents) : undefined;
  const isMatch = (document) =>
    document < truth.known && document % modulus === 0 && (holdsWord?.has(document) ?? true);
  const faults = [];
  if (found.length !== wanted) faults.push(`${found.length} hits, ${wanted} of ${matches} matches wanted`);
  if (new Set(found).size !== found.length) faults.push('the same document twice');
  const strangers = found.filter((document) => !isMatch(document));
  if (strangers.length > 0) faults.push(`hits that do not match: ${strangers.map((id) => `d${id}`).join(', ')}`);
  const right = mode === 'hybrid' ? bestFused(legs, { wanted, rrf }) : bestOf(legs[mode], wanted, TOLERANCE[mode]);
  const distinct = [...new Set(found)].filter((document) => isMatch(document) && right.has(document)).length;
  return { faults, recall: wanted === 0 ? 1 : Math.min(distinct, wanted) / wanted };
}

/** Documents that may be among the best `wanted`. */
export function bestOf({ documents, scores }, wanted, tolerance) {
  const least = scores[Math.min(wanted, scores.length) - 1] - tolerance;
  return new Set(documents.filter((_, at) => scores[at] >= least));
}

/**
 * Documents that may be among the best `wanted` after reciprocal rank fusion. Legs leave the order of equal scores open, so
 * each document has a best and a worst score; who cannot be shut out by the worst scores of others may be among them.
 */
export function bestFused(legs, { wanted, rrf: { k, depth } }) {
  const [best, worst] = [new Map(), new Map()];
  for (const [name, { documents, scores }] of Object.entries(legs)) {
    let first = 0;
    for (let at = 0; at < documents.length && first < depth; at += 1) {
      if (scores[first] - scores[at] > TOLERANCE[name]) first = at;
      if (first >= depth) break;
      let last = at;
      while (last + 1 < documents.length && scores[at] - scores[last + 1] <= TOLERANCE[name]) last += 1;
      const add = (sums, rank) => sums.set(documents[at], (sums.get(documents[at]) ?? 0) + 1 / (k + rank));
      add(best, first + 1);
      if (last < depth) add(worst, last + 1);
    }
  }
  const guaranteed = [...worst.values()].sort((a, b) => b - a);
  const least = (guaranteed[wanted - 1] ?? 0) - 1e-9;
  return new Set([...best].filter(([, score]) => score >= least).map(([document]) => document));
}
