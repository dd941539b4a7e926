import type { Searched } from '../../search/compile.js';
import type { Parts } from '../parts.js';
import type { ReplicaParts } from '../replica.js';

/** What belongs to the replica of a corpus, among the structures of a snapshot. */
export function partsOfCorpus(structures: Record<string, Parts>, of: Searched): ReplicaParts {
  const partsOf = (name: keyof ReplicaParts) => structures[`${of}.${name}`] ?? {};
  return {
    documents: partsOf('documents'),
    columns: partsOf('columns'),
    postings: partsOf('postings'),
    vectors: partsOf('vectors'),
  };
}

/** Adds the parts of a corpus, or takes them in place of those that are there. */
export function putPartsOfCorpus(structures: Record<string, Parts>, of: Searched, parts: ReplicaParts): void {
  for (const [name, some] of Object.entries(parts)) structures[`${of}.${name}`] = some;
}
