import { AcervoError } from '../errors/error.js';

const NEWLINE = 0x0a;

/** One line of a body: its bytes, or the fault that it was too long (its bytes were dropped as they came). */
export type Line = { number: number } & ({ bytes: Buffer } | { tooLong: true });

/**
 * Cuts a byte stream into lines while holding at most one of them. Blank lines are counted and passed over.
 * @throws AcervoError `bulk:too_many_lines`
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  { maxLineBytes, maxLines }: { maxLineBytes: number; maxLines: number },
): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let size = 0;
  let number = 0;
  const finish = (): Line | undefined => {
    number += 1;
    if (number > maxLines) throw new AcervoError('bulk:too_many_lines', { detail: `at most ${maxLines} lines` });
    const line: Line = size > maxLineBytes ? { number, tooLong: true } : { number, bytes: Buffer.concat(parts) };
    const blank = 'bytes' in line && line.bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
    parts = [];
    size = 0;
    return blank ? undefined : line;
  };
  const take = (piece: Buffer) => {
    size += piece.length;
    if (size <= maxLineBytes) parts.push(piece);
    else parts = [];
  };
  for await (const chunk of body) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = rest.indexOf(NEWLINE); at >= 0; at = rest.indexOf(NEWLINE)) {
      take(rest.subarray(0, at));
      rest = rest.subarray(at + 1);
      const line = finish();
      if (line !== undefined) yield line;
    }
    if (rest.length > 0) take(rest);
  }
  const last = size > 0 ? finish() : undefined;
  if (last !== undefined) yield last;
}

/**
 * Groups what an iterator yields, so that many share one call of the embedder: a group ends when it is full, or when
 * nothing more has come for `lingerMs`. A slow sender gets its answers line by line, a fast one in groups.
 */
export async function* inGroups<Item>(
  items: AsyncIterator<Item>,
  {
    maxItems,
    maxSize,
    sizeOf,
    lingerMs,
  }: {
    maxItems: number;
    maxSize: number;
    sizeOf: (item: Item) => number;
    lingerMs: number;
  },
): AsyncGenerator<Item[]> {
  let group: Item[] = [];
  let size = 0;
  const read = async () => (await Promise.allSettled([items.next()]))[0];
  let next = read();
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const idle = new Promise<undefined>((resolve) => {
      if (group.length > 0) timer = setTimeout(() => resolve(undefined), lingerMs);
    });
    const result = await Promise.race([next, idle]).finally(() => clearTimeout(timer));
    const came = result?.status === 'fulfilled' && !result.value.done;
    if (came) {
      group.push(result.value.value);
      size += sizeOf(result.value.value);
      next = read();
    }
    const full = group.length >= maxItems || size >= maxSize;
    if (group.length > 0 && (full || !came)) {
      yield group;
      group = [];
      size = 0;
    }
    // What came before a failure has been handed on.
    if (result?.status === 'rejected') throw result.reason;
    if (result?.value.done) return;
  }
}
