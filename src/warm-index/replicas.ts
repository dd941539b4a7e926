import type { Searched } from '../search/compile.js';
import { UnsupportedFilterError } from './filter/unsupported.js';
import type { Calls, Measure, OpenRequest, Place } from './messages.js';
import type { Parts } from './parts.js';
import { Replica, type ReplicaLegs, type ReplicaOptions } from './replica.js';
import { readSnapshot } from './snapshot/read.js';
import { writeSnapshot } from './snapshot/write.js';
import { createAnalyzer } from './text/analyzer.js';

const CORPORA: readonly Searched[] = ['document', 'decision'];
const graphFile = (of: Searched): string => `${of}-graph`;

/** The replicas of all corpora, as the worker thread holds them. */
export class Replicas {
  #replicas = new Map<Searched, Replica>();
  #directory: string | undefined;
  #identity: Record<string, string> = {};

  /** Begins with what lies on disk, if it is whole and of this database; else with nothing. */
  open({ identity, dimensions, graphFrom, directory }: OpenRequest): Calls['open']['answer'] {
    const analyzer = createAnalyzer(identity.language);
    const options: ReplicaOptions = { analyzer, dimensions, graphFrom };
    this.#replicas = new Map(CORPORA.map((of) => [of, new Replica(options)]));
    this.#directory = directory;
    this.#identity = { ...identity, analyzer: analyzer.version, dimensions: String(dimensions) };
    const found = directory === undefined ? undefined : readSnapshot(directory, this.#identity);
    if (found === undefined) return { place: undefined, refused: undefined };
    if ('refused' in found) return { place: undefined, refused: found.refused };
    try {
      this.#replicas = new Map(
        CORPORA.map((of) => {
          const partsOf = (name: string) => found.parts[`${of}.${name}`] ?? {};
          const parts = {
            documents: partsOf('documents'),
            columns: partsOf('columns'),
            postings: partsOf('postings'),
            vectors: partsOf('vectors'),
          };
          return [of, Replica.load(parts, options, found.filePath(graphFile(of)))];
        }),
      );
    } catch (error) {
      // Whole, and yet not what this version makes: nothing of it is used.
      this.#replicas = new Map(CORPORA.map((of) => [of, new Replica(options)]));
      return { place: undefined, refused: error instanceof Error ? error.message : String(error) };
    }
    return { place: { cursor: found.manifest.cursor, anchor: found.manifest.anchor }, refused: undefined };
  }

  apply({ of, documents, removed }: Calls['apply']['request']): undefined {
    const replica = this.#of(of);
    for (const id of removed) replica.remove(id);
    for (const document of documents) replica.apply(document);
  }

  search(query: Calls['search']['request']): ReplicaLegs | undefined {
    try {
      return this.#of(query.of).search(query);
    } catch (error) {
      if (error instanceof UnsupportedFilterError) return undefined;
      throw error;
    }
  }

  /** Writes a snapshot without what is dead: what was deleted must not stay on disk. @throws Error of the file system */
  save(place: Place): undefined {
    if (this.#directory === undefined) return;
    const parts: Record<string, Parts> = {};
    for (const [of, replica] of this.#replicas) {
      if (replica.size.dead > 0) replica.compact();
      for (const [name, structure] of Object.entries(replica.dump())) parts[`${of}.${name}`] = structure;
    }
    writeSnapshot(this.#directory, {
      ...place,
      identity: this.#identity,
      counts: Object.fromEntries(CORPORA.map((of) => [of, this.#of(of).size.documents])),
      parts,
      files: [...this.#replicas].flatMap(([of, replica]) =>
        replica.hasGraph ? [{ name: graphFile(of), write: (path) => replica.saveGraph(path) }] : [],
      ),
    });
  }

  /** A slice of what can wait. @returns whether more is to be done */
  settle(): boolean {
    return [...this.#replicas.values()].some((replica) => replica.settle());
  }

  measure(): Measure {
    const sizes = CORPORA.map((of) => ({ of, ...this.#of(of).size }));
    const sum = (field: 'vectors' | 'dead' | 'bytes') => sizes.reduce((total, size) => total + size[field], 0);
    return {
      documents: Object.fromEntries(sizes.map(({ of, documents }) => [of, documents])) as Measure['documents'],
      vectors: sum('vectors'),
      dead: sum('dead'),
      memory_bytes: sum('bytes'),
      settling: false,
    };
  }

  #of(of: Searched): Replica {
    const replica = this.#replicas.get(of);
    if (replica === undefined) throw new Error(`no replica of ${of}`);
    return replica;
  }
}
