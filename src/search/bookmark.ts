import { createHash } from 'node:crypto';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { MAX_BODY_CURSOR_CHARS } from '../http/cursor.js';
import { digestOf } from '../http/digest.js';
import type { Weights } from './adaptive.js';
import type { SearchInput } from './schemas.js';

/** 48 bits in base64url: of a thousand ids that were given, and a million others, one is mistaken in 300 000 searches. */
const DIGEST_CHARS = 8;

/** What a cursor belongs to: the same question by the same key. A vector by its bytes: its text takes .3 ms to write. */
function digestOfQuestion(
  ctx: Context,
  { cursor: _, explain: __, after: ___, vector = [], ...question }: SearchInput,
): string {
  const bytes = Buffer.from(Float64Array.from(vector).buffer);
  return digestOf([ctx.principal.key_id, question, bytes.toString('base64')]);
}

/**
 * The ids that earlier pages have given, as short digests. A place in the ranking would not do: it is made anew for each
 * page, and what was deleted or changed since has moved everything behind it.
 */
export class Given {
  readonly #digests: ReadonlySet<string>;

  /** @param question nobody who does not know it can make an id that is taken for another */
  constructor(
    private readonly question: string,
    digests = '',
  ) {
    this.#digests = new Set(digests.match(new RegExp(`.{${DIGEST_CHARS}}`, 'g')));
  }

  get size(): number {
    return this.#digests.size;
  }

  has(id: string): boolean {
    return this.size > 0 && this.#digests.has(this.#digestOf(id));
  }

  /** All of them and these, as text. */
  with(ids: string[]): string {
    return [...this.#digests, ...ids.map((id) => this.#digestOf(id))].join('');
  }

  #digestOf(id: string): string {
    return createHash('sha256').update(`${this.question} ${id}`).digest('base64url').slice(0, DIGEST_CHARS);
  }
}

/** Where a search goes on, and with which weights: the trust in a leg may have changed since the page before. */
export interface Bookmark {
  given: Given;
  weights: Weights | undefined;
  /** The cursor that leads on from a page. */
  next(ids: string[], weights: Weights | undefined): string;
}

/** @throws AcervoError `cursor:invalid`, `cursor:expired` */
export function openBookmark(ctx: Context, { cursorKind }: { cursorKind: string }, input: SearchInput): Bookmark {
  const question = digestOfQuestion(ctx, input);
  const opened = input.cursor === undefined ? { given: '' } : ctx.cursors.verify(cursorKind, input.cursor, question);
  // Only what was signed here opens, but it may be of the version before, which kept a place.
  if (typeof opened.given !== 'string') throw new AcervoError('cursor:invalid');
  const given = new Given(question, opened.given);
  return {
    given,
    weights: opened.weights as Weights | undefined,
    next: (ids, weights) =>
      ctx.cursors.sign(cursorKind, { given: given.with(ids), weights }, question, MAX_BODY_CURSOR_CHARS),
  };
}
