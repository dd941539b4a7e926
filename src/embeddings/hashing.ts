import { setImmediate } from 'node:timers/promises';
import type { EmbeddingPurpose, EmbeddingSpace, MeteredEmbedder } from './port.js';
import { toUnitVector } from './unit-vector.js';
import { estimatedTokens, unusedYet } from './usage.js';

/** The part of a longer text that is hashed, in UTF-16 code units; passages are far shorter. */
const MAX_TEXT_CHARACTERS = 32_000;
/** After so many texts other work gets a turn: hashing runs on the event loop. */
const TEXTS_PER_TURN = 16;

const WORD = /[\p{L}\p{N}\p{M}]+/gu;
const COMBINING_ACCENTS = /[\u0300-\u036f]/g;

/** What a feature of each family counts for; a word has one word feature but several n-grams, so these weigh less. */
const WORD_WEIGHT = 1;
const PAIR_WEIGHT = 0.5;
const GRAM_WEIGHT = 0.4;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** One UTF-16 code unit, low octet first, into an FNV-1a 32-bit hash. Source: RFC 9923. */
function extend(hash: number, codeUnit: number): number {
  return Math.imul(Math.imul(hash ^ (codeUnit & 0xff), FNV_PRIME) ^ (codeUnit >>> 8), FNV_PRIME);
}

function extendAll(hash: number, text: string): number {
  let extended = hash;
  for (let i = 0; i < text.length; i++) extended = extend(extended, text.charCodeAt(i));
  return extended;
}

/** MurmurHash3's fmix32: spreads FNV's weak low bits over the whole word. Source: A. Appleby, SMHasher, public domain. */
function spread(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

// A start of its own keeps the word "abc", the pair and the n-gram "abc" apart.
const WORD_START = extend(FNV_OFFSET, 1);
const PAIR_START = extend(FNV_OFFSET, 2);
const GRAM_START = extend(FNV_OFFSET, 3);

function count(features: Map<number, number>, feature: number): void {
  features.set(feature, (features.get(feature) ?? 0) + 1);
}

/** Character 3- to 5-grams of `<word>`; each longer one extends the hash of the shorter. */
function countGrams(grams: Map<number, number>, word: string): void {
  const marked = `<${word}>`;
  for (let from = 0; from + 3 <= marked.length; from++) {
    let hash = GRAM_START;
    for (let length = 1; length <= 5 && from + length <= marked.length; length++) {
      hash = extend(hash, marked.charCodeAt(from + length - 1));
      if (length >= 3) count(grams, hash);
    }
  }
}

/** Adds features with weight (1 + ln count) at a place, and with a sign, that their hash decides. */
function addFeatures(sums: Float64Array, features: Map<number, number>, weight: number): void {
  for (const [feature, times] of features) {
    const hash = spread(feature);
    const place = (hash >>> 1) % sums.length;
    sums[place] = (sums[place] ?? 0) + ((hash & 1) === 0 ? weight : -weight) * (1 + Math.log(times));
  }
}

/**
 * The vector of a text by signed feature hashing of its words, pairs of neighbouring words and character 3- to 5-grams,
 * without case and accents. It knows spelling, not meaning: texts are near when they share words or parts of words
 * (so inflections and typing errors are forgiven), and synonyms are strangers. Deterministic on every machine; there is
 * no model to load and no collection statistics, so common words are damped only by sublinear term weights.
 * Sources: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009; the n-grams with word
 * borders: Bojanowski et al., "Enriching Word Vectors with Subword Information", TACL 2017.
 * @param dimensions 2 or more; below some hundreds unrelated features often share a place
 * @returns float[dimensions] of unit length, also for a text without words (an axis that its characters choose)
 */
export function hashText(text: string, dimensions: number): number[] {
  const folded = text.slice(0, MAX_TEXT_CHARACTERS).normalize('NFKD').replace(COMBINING_ACCENTS, '').toLowerCase();
  const words = new Map<number, number>();
  const pairs = new Map<number, number>();
  const grams = new Map<number, number>();
  let previous: string | undefined;
  for (const [word] of folded.matchAll(WORD)) {
    count(words, extendAll(WORD_START, word));
    if (previous !== undefined) count(pairs, extendAll(PAIR_START, `${previous} ${word}`));
    countGrams(grams, word);
    previous = word;
  }
  const sums = new Float64Array(dimensions);
  addFeatures(sums, words, WORD_WEIGHT);
  addFeatures(sums, pairs, PAIR_WEIGHT);
  addFeatures(sums, grams, GRAM_WEIGHT);
  const unit = toUnitVector(sums);
  if (unit !== undefined) return unit;
  // No words, or features that cancel each other out.
  const axis: number[] = new Array(dimensions).fill(0);
  axis[spread(extendAll(FNV_OFFSET, folded)) % dimensions] = 1;
  return axis;
}

/** The offline default: `hashText` as an embedder; documents and queries are embedded alike. Never fails. */
export class HashingEmbedder implements MeteredEmbedder {
  readonly available = true;
  readonly usage = unusedYet();

  constructor(readonly space: EmbeddingSpace) {}

  async embed(texts: string[], _purpose: EmbeddingPurpose, signal?: AbortSignal): Promise<number[][]> {
    signal?.throwIfAborted();
    const vectors: number[][] = [];
    this.usage.requests++;
    for (const text of texts) {
      if (vectors.length > 0 && vectors.length % TEXTS_PER_TURN === 0) await setImmediate();
      signal?.throwIfAborted();
      vectors.push(hashText(text, this.space.dimensions));
      this.usage.texts++;
      this.usage.tokens += estimatedTokens(text);
    }
    return vectors;
  }
}
