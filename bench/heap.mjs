// Does the product's heap grow with the lines of a bulk body?
import { prepareEngine } from './engine.mjs';
import { startProduct } from './product.mjs';
import { leastSquares } from './statistics.mjs';

const LINES = 50_000;
const WARM_UP_LINES = 5_000;
const SAMPLE_LINES = 250;
/** The floor of a window is what is left after a collection; the rest is garbage that waits. */
const WINDOW_LINES = 2_500;

function* smallDocuments() {
  for (let line = 1; line <= LINES; line += 1)
    yield `{"id":"h${line}","passages":[{"text":"small line ${line}","vector":[1,${line % 97},1,${line % 89}]}]}\n`;
}

async function heapBytes(product) {
  const [, bytes] = /^nodejs_heap_size_used_bytes (\S+)/m.exec(await product.metrics());
  return Number(bytes);
}

/** The lowest heap of each window, after the warm-up: [[line, bytes]]. */
export function floors(samples) {
  const windows = new Map();
  for (const [line, bytes] of samples) {
    if (line <= WARM_UP_LINES) continue;
    const window = Math.floor((line - 1) / WINDOW_LINES);
    if (!(windows.get(window)?.[1] <= bytes)) windows.set(window, [line, bytes]);
  }
  return [...windows.values()];
}

/** @returns the slope in bytes per line with its standard error, and the floors it was fitted to */
export async function benchHeap() {
  const engine = await prepareEngine('embedded', { dimensions: 4 });
  const product = await startProduct({ ...engine.env, ACERVO_WARM_INDEX: 'off' });
  const samples = [];
  await product.bulk(smallDocuments(), async (line) => {
    if (line % SAMPLE_LINES === 0) samples.push([line, await heapBytes(product)]);
  });
  await product.stop();
  await engine.stop();
  const points = floors(samples);
  const { slope, standardError } = leastSquares(points);
  return { lines: LINES, bytes_per_line: slope, standard_error: standardError, floors: points };
}
