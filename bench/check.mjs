// Are the answers right? A benchmark of wrong answers measures something else.

/** The product computes in single precision. */
const COSINE_TOLERANCE = 1e-5;

/**
 * Judges one answer against brute force.
 * @param {{mode: string, limit: number, modulus: number}} asked
 * @returns {{faults: string[], recall: number | undefined}} recall of the nearest `limit` documents, for vector mode
 */
export function judge(corpus, truth, { mode, limit, modulus }, hits) {
  const passes = (document) => corpus.numbers[document] % modulus === 0;
  const isMatch = (document) => passes(document) && (mode !== 'text' || truth.hasWord[document] === 1);
  let matches = 0;
  for (let document = 0; document < corpus.documents; document += 1) if (isMatch(document)) matches += 1;
  const wanted = Math.min(limit, matches);
  const found = hits.map(({ id }) => Number(id.slice(1)));
  const faults = [];
  if (found.length !== wanted) faults.push(`${found.length} hits, ${wanted} of ${matches} matches wanted`);
  if (new Set(found).size !== found.length) faults.push('the same document twice');
  const strangers = found.filter((document) => !isMatch(document));
  if (strangers.length > 0) faults.push(`hits that do not match: ${strangers.map((id) => `d${id}`).join(', ')}`);
  const recall = mode === 'vector' ? recallOf(truth.cosine, passes, wanted, found) : undefined;
  return { faults, recall };
}

/** The share of the nearest `wanted` documents that was found; equally near ones stand for each other. */
export function recallOf(cosine, passes, wanted, found) {
  if (wanted === 0) return 1;
  const nearest = cosine.filter((_, document) => passes(document)).sort();
  const threshold = nearest[nearest.length - wanted] - COSINE_TOLERANCE;
  const right = found.filter((document) => passes(document) && cosine[document] >= threshold);
  return Math.min(right.length, wanted) / wanted;
}
