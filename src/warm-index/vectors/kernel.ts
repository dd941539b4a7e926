/** kernel.wat, assembled, in Base64. */
export const KERNEL =
  'AGFzbQEAAAABCQFgBX9/f39/AAIRAQVzdG9yZQZtZW1vcnkCAAEDAgEABwgBBGRvdHMAAAqAAgH9AQIEfwR7IAEgAkECdGohBSAAIARqIQgCQANAIAEgBU8NASADIAEoAgAgBGxqIQYgACEH/QwAAAAAAAAAAAAAAAAAAAAAIQkgCSEKIAkhCyAJIQwDQCAJIAf9AAQAIAb9AAQA/boB/a4BIQkgCiAH/QAEECAG/QAEEP26Af2uASEKIAsgB/0ABCAgBv0ABCD9ugH9rgEhCyAMIAf9AAQwIAb9AAQw/boB/a4BIQwgBkHAAGohBiAHQcAAaiIHIAhJDQALIAkgCv2uASALIAz9rgH9rgEhCSABIAn9GwAgCf0bAWogCf0bAiAJ/RsDamo2AgAgAUEEaiEBDAALCws=';

/**
 * Replaces each place of a list of `count` by the dot product of its vector and the query. All addresses are bytes within the
 * memory; `stride` is a multiple of 64.
 */
export type Dots = (query: number, list: number, count: number, vectors: number, stride: number) => void;

let compiled: WebAssembly.Module | undefined;

/** The kernel over one memory. */
export function dotsOver(memory: WebAssembly.Memory): Dots {
  compiled ??= new WebAssembly.Module(Buffer.from(KERNEL, 'base64'));
  return new WebAssembly.Instance(compiled, { store: { memory } }).exports.dots as Dots;
}
