import { createHash, randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { digestOf } from '../http/digest.js';
import { actingAgent } from '../keys/bound-agent.js';
import {
  MAX_CONTENT_BYTES,
  MAX_METADATA_BYTES,
  MAX_METADATA_DEPTH,
  MAX_PASSAGES,
  type MinioRef,
  type PutInput,
} from './schemas.js';
import type { SourcedInput } from './source.js';
import { splitText } from './split.js';
import { checkedUnitVector } from './vectors.js';
import { refuseLongWords } from './words.js';

/** Where a passage's vector comes from: the caller's, or still to be embedded. */
export interface PreparedPassage {
  ordinal: number;
  text: string;
  /** float[dimensions] of unit length. */
  vector: number[] | undefined;
}

/** A document that has passed all checks and is cut into passages. */
export interface PreparedDocument {
  id: string;
  /** False when the id was made here, so that nothing can be stored under it yet. */
  ownId: boolean;
  content: string;
  passages: PreparedPassage[];
  /** float[dimensions]: stands for the whole document. */
  wholeVector: number[] | undefined;
  columns: {
    title: string | undefined;
    metadata: Record<string, unknown>;
    language: string;
    agent_id: string | undefined;
    artifact_id: string | undefined;
    minio_ref: MinioRef | undefined;
    content_digest: string;
    fingerprint: string;
    passages_source: 'split' | 'caller';
    passage_count: number;
    size_bytes: number;
  };
}

/** How many objects and lists deep a value is; not counted beyond `bound` + 1. */
export function depthOf(value: unknown, bound: number): number {
  if (bound < 0 || value === null || typeof value !== 'object') return 0;
  return 1 + Math.max(0, ...Object.values(value).map((member) => depthOf(member, bound - 1)));
}

/**
 * Whole numbers beyond 2^53 would come back as others: JSON readers keep them as doubles, the SDK refuses them.
 * @throws AcervoError `request:invalid`
 */
export function refuseInexact(value: unknown, path: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value))
    throw new AcervoError('request:invalid', { faults: [{ path, message: 'is beyond ±2^53; send it as a string' }] });
  if (value !== null && typeof value === 'object')
    for (const [key, member] of Object.entries(value)) refuseInexact(member, `${path}.${key}`);
}

/** @throws AcervoError `knowledge:metadata_too_large`, `request:invalid` */
export function checkMetadata(metadata: Record<string, unknown>): void {
  const bytes = Buffer.byteLength(JSON.stringify(metadata));
  if (bytes > MAX_METADATA_BYTES)
    throw new AcervoError('knowledge:metadata_too_large', { detail: `${bytes} bytes; at most ${MAX_METADATA_BYTES}` });
  if (depthOf(metadata, MAX_METADATA_DEPTH) > MAX_METADATA_DEPTH)
    throw new AcervoError('knowledge:metadata_too_large', { detail: `more than ${MAX_METADATA_DEPTH} levels deep` });
  refuseInexact(metadata, 'metadata');
}

/** In the composed form (NFC), as words of a query come: the index cuts at accents that stand apart. */
function cut(ctx: Context, input: PutInput, content: string): PreparedPassage[] {
  const { dimensions } = ctx.embedder.space;
  if (input.passages === undefined)
    return splitText(content.normalize('NFC'), { language: ctx.config.language, maxPassages: MAX_PASSAGES }).map(
      (slice, ordinal) => ({
        ordinal,
        text: slice.text,
        vector: undefined,
      }),
    );
  if (input.passages.length > MAX_PASSAGES) throw new AcervoError('knowledge:too_many_passages');
  return input.passages.map((passage, ordinal) => ({
    ordinal,
    text: passage.text.normalize('NFC'),
    vector:
      passage.vector === undefined
        ? undefined
        : checkedUnitVector(passage.vector, dimensions, `passages.${ordinal}.vector`),
  }));
}

/** Does the text begin with these words? "Artificial" does not begin with "Art". */
function beginsWith(text: string, words: string): boolean {
  return text.startsWith(words) && !/^[\p{L}\p{N}\p{M}]/u.test(text.slice(words.length));
}

/** The title leads the first passage: it is searched and embedded with it, at no cost of a second index. */
function withTitle(passages: PreparedPassage[], title: string | undefined): PreparedPassage[] {
  const [first, ...rest] = passages;
  if (first === undefined || title === undefined || title === '' || beginsWith(first.text, title)) return passages;
  return [{ ...first, text: `${title}\n\n${first.text}` }, ...rest];
}

/** Digest of all that the client said of a document, from its parts. */
export function fingerprintOf(columns: {
  content_digest: string;
  metadata: Record<string, unknown>;
  language: string;
  agent_id: string | undefined;
  artifact_id: string | undefined;
  minio_ref: MinioRef | undefined;
}): string {
  const { content_digest, metadata, language, agent_id, artifact_id, minio_ref } = columns;
  const said = { content_digest, metadata, language, agent_id, artifact_id };
  return digestOf(minio_ref === undefined ? said : { ...said, minio_ref });
}

/** A state's digest that tells nothing once its salt is erased. */
export function salted(fingerprint: string): { salt: string; state_digest: string } {
  const salt = randomBytes(16).toString('hex');
  return { salt, state_digest: createHash('sha256').update(salt).update(fingerprint).digest('hex') };
}

/**
 * Checks a document and cuts it into passages; no I/O.
 * @throws AcervoError `knowledge:*` for what is too large, `vector:*`, `auth:agent_mismatch`, `request:invalid`
 */
export function prepareDocument(ctx: Context, input: SourcedInput): PreparedDocument {
  const content = input.content ?? input.passages?.map((passage) => passage.text).join('\n\n') ?? '';
  const sizeBytes = Buffer.byteLength(content);
  const passageBytes = input.passages?.reduce((sum, passage) => sum + Buffer.byteLength(passage.text), 0) ?? 0;
  if (Math.max(sizeBytes, passageBytes) > MAX_CONTENT_BYTES)
    throw new AcervoError('knowledge:content_too_large', {
      detail: `${sizeBytes} bytes; at most ${MAX_CONTENT_BYTES}`,
    });
  const metadata = input.metadata ?? {};
  checkMetadata(metadata);
  const passages = withTitle(cut(ctx, input, content), input.title?.normalize('NFC'));
  if (passages.length === 0)
    throw new AcervoError('request:invalid', { faults: [{ path: 'content', message: 'holds no text' }] });
  refuseLongWords(passages);
  const { dimensions } = ctx.embedder.space;
  const wholeVector = input.vector && checkedUnitVector(input.vector, dimensions, 'vector');
  const kept = {
    metadata,
    language: input.language ?? ctx.config.language,
    agent_id: actingAgent(ctx, input.agent_id),
    artifact_id: input.artifact_id,
    minio_ref: input.minio_ref,
    content_digest: digestOf([input.title, content, input.passages, input.vector]),
  };
  return {
    id: input.id ?? uuidv7(),
    ownId: input.id !== undefined,
    content,
    passages,
    wholeVector,
    columns: {
      ...kept,
      title: input.title,
      fingerprint: fingerprintOf(kept),
      passages_source: input.passages === undefined ? 'split' : 'caller',
      passage_count: passages.length,
      size_bytes: sizeBytes,
    },
  };
}
