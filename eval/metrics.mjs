// The usual measures of a ranking, as trec_eval computes them.

/** A document is relevant from this grade on. */
const RELEVANT = 1;

const discounted = (gains) => gains.reduce((sum, gain, index) => sum + gain / Math.log2(index + 2), 0);

/**
 * Normalised discounted cumulative gain of the first `depth`, with linear gain: sum of grade / log2(rank + 1), over that
 * of the best possible ranking. Source: Järvelin and Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques",
 * TOIS 2002; trec_eval's ndcg_cut.
 * @param {string[]} ranking document ids, best first
 * @param {Map<string, number>} grades of the judged documents; what is not judged counts 0
 */
export function ndcg(ranking, grades, depth) {
  const gainOf = (id) => Math.max(0, grades.get(id) ?? 0);
  const ideal = [...grades.keys()].map(gainOf).sort((a, b) => b - a);
  const best = discounted(ideal.slice(0, depth));
  return best === 0 ? 0 : discounted(ranking.slice(0, depth).map(gainOf)) / best;
}

function relevantAmong(ids, grades) {
  return ids.filter((id) => (grades.get(id) ?? 0) >= RELEVANT).length;
}

/** The share of the relevant documents that the first `depth` hold; trec_eval's recall. */
export function recall(ranking, grades, depth) {
  const all = relevantAmong([...grades.keys()], grades);
  return all === 0 ? 0 : relevantAmong(ranking.slice(0, depth), grades) / all;
}

/** The share of relevant ones among the first `depth`, however few there are; trec_eval's P. */
export function precision(ranking, grades, depth) {
  return relevantAmong(ranking.slice(0, depth), grades) / depth;
}

/**
 * Means over the queries that have a relevant document, answered or not (trec_eval -c).
 * @param {Map<string, string[]>} rankings by query
 * @param {Map<string, Map<string, number>>} judgements grades by query and document
 */
export function evaluate(rankings, judgements) {
  const judged = [...judgements].filter(([, grades]) => relevantAmong([...grades.keys()], grades) > 0);
  const mean = (measure, depth) =>
    judged.reduce((sum, [query, grades]) => sum + measure(rankings.get(query) ?? [], grades, depth), 0) / judged.length;
  return {
    queries: judged.length,
    ndcg_at_10: mean(ndcg, 10),
    recall_at_100: mean(recall, 100),
    precision_at_5: mean(precision, 5),
  };
}
