// Writes src/warm-index/text/fold-table.ts: what the `lowercase` and `ascii` filters of the engine make of every character,
// asked of the embedded engine itself. Run after `npx tsc -b`, when an engine with other tables comes: the test
// test/engine/warm-index-words.test.ts tells.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { connect } from '../dist/surreal/connection.js';

const END = 0x110000;
const CHARACTERS_AT_A_TIME = 4_096;
const NO_READING = '[?]';

const directory = mkdtempSync(join(tmpdir(), 'acervo-fold-'));
const connection = await connect({
  url: `rocksdb://${directory}`,
  username: 'root',
  password: 'root',
  timeoutMs: 15_000,
});
const { reads: session } = await connection.openSessions('fold', 'fold');
await session.query('DEFINE ANALYZER fold TOKENIZERS blank, punct FILTERS lowercase, ascii');

/** @type {(string | undefined)[]} By code point: its text; undefined for what splits words. */
const texts = [];
for (let from = 0x80; from < END; from += CHARACTERS_AT_A_TIME) {
  const points = Array.from({ length: Math.min(CHARACTERS_AT_A_TIME, END - from) }, (_, i) => from + i);
  // Half of a pair is no character, and splits.
  const characters = points.map((point) => (point >= 0xd800 && point < 0xe000 ? ' ' : String.fromCodePoint(point)));
  const [tokens] = await session.query(`RETURN $characters.map(|$c| search::analyze('fold', 'x' + $c + 'x'))`, {
    characters,
  });
  texts.push(...tokens.map((found) => (found.length === 1 ? found[0].slice(1, -1).toLowerCase() : undefined)));
}
await connection.close();
rmSync(directory, { recursive: true });

/** @type {(string | number)[]} */
const runs = [];
for (const text of texts) {
  const step = text === undefined ? 1 : text === NO_READING ? -1 : 0;
  const last = runs.at(-1);
  if (step === 0) runs.push(text);
  else if (typeof last === 'number' && Math.sign(last) === step) runs[runs.length - 1] = last + step;
  else runs.push(step);
}
while (typeof runs.at(-1) === 'number' && runs.at(-1) > 0) runs.pop();

const table = brotliCompressSync(JSON.stringify(runs), { params: { [constants.BROTLI_PARAM_LGWIN]: 22 } });
writeFileSync(
  new URL('../src/warm-index/text/fold-table.ts', import.meta.url),
  `/**
 * What the engine's filters \`lowercase\` and \`ascii\` make of each character from U+0080 on, as JSON, Brotli, base64: a text
 * for one character, n for n that split words, -n for n that have no reading. Behind the end all split. Written by
 * scripts/write-fold-table.mjs from the engine's own answers; the readings are those of deunicode (BSD-3-Clause).
 */
export const FOLD_TABLE =
  '${table.toString('base64')}';
`,
);
