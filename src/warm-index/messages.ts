import type { Language } from '../config.js';
import type { Searched } from '../search/compile.js';
import type { ReplicaDocument } from './document.js';
import type { ReplicaLegs, ReplicaQuery } from './replica.js';

/** What a replica was made from: one that was made from anything else answers wrongly. */
export interface Identity {
  /** Of the installation: its database may have been exchanged for another of the same name. */
  database: string;
  space: string;
  language: Language;
}

/** How far a replica has followed the audit log. */
export interface Place {
  /** Every row before this time has been applied. */
  cursor: string;
  /** The id of a row before the cursor: when it has gone, so may have others that were never seen. */
  anchor: string;
}

export interface OpenRequest {
  identity: Identity;
  dimensions: number;
  graphFrom: number;
  /** Where snapshots lie; undefined: there are none. */
  directory: string | undefined;
  /** Begin with the one that lies there? */
  restore: boolean;
}

/** What the worker can be asked, and what it answers. */
export interface Calls {
  open: { request: OpenRequest; answer: { place: Place | undefined; refused: string | undefined } };
  apply: { request: { of: Searched; documents: ReplicaDocument[]; removed: string[] }; answer: undefined };
  /** Undefined: only the database can judge the filter. */
  search: { request: ReplicaQuery; answer: ReplicaLegs | undefined };
  save: { request: Place; answer: undefined };
  /** Leaves behind what is dead. False: not while a snapshot is written. */
  compact: { request: undefined; answer: boolean };
  measure: { request: undefined; answer: Measure };
  /** True: vectors that were in memory lie on disk from now on. */
  move_to_disk: { request: undefined; answer: boolean };
}

export interface Measure {
  documents: Record<Searched, number>;
  vectors: number;
  /** Those that the graphs hold; fewer are compared one by one. */
  indexed_vectors: number;
  memory_bytes: number;
  /** Of vectors that did not fit into memory. */
  disk_bytes: number;
}

export type Call = {
  [Name in keyof Calls]: { id: number; name: Name; request: Calls[Name]['request'] };
}[keyof Calls];

export type Answer = { id: number; answer: unknown } | { id: number; error: string };
