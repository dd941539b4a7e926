import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Searched } from '../search/compile.js';
import { UnsupportedFilterError } from './filter/unsupported.js';
import type { Calls, Measure, OpenRequest, Place } from './messages.js';
import type { Parts } from './parts.js';
import { Replica, type ReplicaLegs, type ReplicaOptions } from './replica.js';
import { makeDirectory, removeWorking, workingDirectory } from './snapshot/directory.js';
import { partsOfCorpus, putPartsOfCorpus } from './snapshot/parts-of-corpus.js';
import { readSnapshot } from './snapshot/read.js';
import type { WriterData } from './snapshot/writer.js';
import { createAnalyzer } from './text/analyzer.js';

const CORPORA: readonly Searched[] = ['document', 'decision'];
const graphFile = (of: Searched): string => `${of}-graph`;
const vectorsFile = (of: Searched): string => `${of}-vectors`;
const unsavedGraph = (directory: string, of: Searched): string => join(workingDirectory(directory), graphFile(of));
const workingVectors = (directory: string, of: Searched): string => join(workingDirectory(directory), vectorsFile(of));

/** The replicas of all corpora, as the worker thread holds them. */
export class Replicas {
  readonly #faultPoint: string | undefined;
  #replicas = new Map<Searched, Replica>();
  #directory: string | undefined;
  #identity: Record<string, string> = {};
  #isSaving = false;

  constructor(faultPoint?: string) {
    this.#faultPoint = faultPoint;
  }

  /** Begins with what lies on disk, if it is whole and of this database; else with nothing. */
  open({ identity, dimensions, graphFrom, directory, restore }: OpenRequest): Calls['open']['answer'] {
    this.close();
    const analyzer = createAnalyzer(identity.language);
    const options: ReplicaOptions = { analyzer, dimensions, graphFrom };
    this.#replicas = new Map(CORPORA.map((of) => [of, new Replica(options)]));
    this.#directory = directory;
    // A process that was killed leaves them, with what may have been deleted since.
    if (directory !== undefined) removeWorking(directory);
    this.#identity = { ...identity, analyzer: analyzer.version, dimensions: String(dimensions) };
    const found = directory === undefined || !restore ? undefined : readSnapshot(directory, this.#identity);
    if (found === undefined) return { place: undefined, refused: undefined };
    if ('refused' in found) return { place: undefined, refused: found.refused };
    try {
      for (const of of CORPORA) {
        const parts = partsOfCorpus(found.parts, of);
        const files = { graph: found.filePath(graphFile(of)), vectors: found.filePath(vectorsFile(of)) };
        const workingPath = directory && workingVectors(directory, of);
        if (directory !== undefined && files.vectors !== undefined) makeDirectory(workingDirectory(directory));
        this.#replicas.set(of, Replica.load(parts, options, { ...files, workingPath }));
      }
    } catch (error) {
      // Whole, and yet not what this version makes: nothing of it is used.
      this.close();
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

  /**
   * Writes a snapshot without what is dead. Copies what is to be written before it returns, so that the index can go on
   * changing.
   * @returns when it is on disk @throws Error of the file system
   */
  save(place: Place): Promise<void> {
    const directory = this.#directory;
    if (directory === undefined) return Promise.resolve();
    const parts: Record<string, Parts> = {};
    const files: WriterData['files'] = [];
    const withDead: Searched[] = [];
    for (const [of, replica] of this.#replicas) {
      const { dead, documents } = replica.size;
      if (dead > documents) replica.compact();
      else if (dead > 0) withDead.push(of);
      putPartsOfCorpus(parts, of, replica.dump());
      // It goes on changing while it is copied: what changes is in the log behind the place, and read again from there.
      if (replica.vectorsPath !== undefined)
        files.push({ name: vectorsFile(of), from: replica.vectorsPath, keep: true });
      if (!replica.hasGraph) continue;
      makeDirectory(workingDirectory(directory));
      const from = unsavedGraph(directory, of);
      replica.saveGraph(from);
      files.push({ name: graphFile(of), from, keep: false });
    }
    for (const [name, structure] of Object.entries(parts)) parts[name] = copied(structure);
    const counts = Object.fromEntries(CORPORA.map((of) => [of, this.#of(of).size.documents]));
    this.#isSaving = true;
    return written({
      directory,
      snapshot: { ...place, identity: this.#identity, counts, parts },
      files,
      withDead,
      faultPoint: this.#faultPoint,
    }).finally(() => {
      this.#isSaving = false;
    });
  }

  /**
   * Puts the vectors of all corpora into files. @returns whether that freed any memory
   * @throws Error of the system: those of a corpus are still in memory
   */
  moveToDisk(): boolean {
    const directory = this.#directory;
    if (directory === undefined) return false;
    makeDirectory(workingDirectory(directory));
    const moved = [...this.#replicas].map(([of, replica]) => replica.moveVectorsToDisk(workingVectors(directory, of)));
    return moved.includes(true);
  }

  /** @returns false while a snapshot is written: vectors would move within the file that is copied for it */
  compact(): boolean {
    if (this.#isSaving) return false;
    for (const replica of this.#replicas.values()) if (replica.size.dead > 0) replica.compact();
    return true;
  }

  /** Removes the files that are of no use to others. They must not be used any more. */
  close(): void {
    for (const replica of this.#replicas.values()) replica.close();
  }

  /** A slice of what can wait. @returns whether more is to be done */
  settle(): boolean {
    return [...this.#replicas.values()].some((replica) => replica.settle());
  }

  measure(): Measure {
    const sizes = CORPORA.map((of) => ({ of, ...this.#of(of).size }));
    const sum = (field: 'vectors' | 'indexed' | 'bytes' | 'diskBytes') =>
      sizes.reduce((total, size) => total + size[field], 0);
    return {
      documents: Object.fromEntries(sizes.map(({ of, documents }) => [of, documents])) as Measure['documents'],
      vectors: sum('vectors'),
      indexed_vectors: sum('indexed'),
      memory_bytes: sum('bytes'),
      disk_bytes: sum('diskBytes'),
    };
  }

  #of(of: Searched): Replica {
    const replica = this.#replicas.get(of);
    if (replica === undefined) throw new Error(`no replica of ${of}`);
    return replica;
  }
}

/** Arrays with memory of their own. */
function copied(parts: Parts): Parts {
  return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.slice()]));
}

function written(workerData: WriterData): Promise<void> {
  const transferList = Object.values(workerData.snapshot.parts).flatMap((parts) =>
    Object.values(parts).map(({ buffer }) => buffer as ArrayBuffer),
  );
  const writer = new Worker(new URL('./snapshot/writer.js', import.meta.url), { workerData, transferList });
  return new Promise((resolve, reject) => {
    writer.once('error', reject);
    writer.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the writer ended with ${code}`))));
  });
}
