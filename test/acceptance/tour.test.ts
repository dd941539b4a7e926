import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Product, startProduct, unavailable } from '../support/product.js';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
/** A block of shell that is marked, and the block after it: what the shell prints. `…` stands for anything. */
const BLOCK = /<!-- tour -->\n```sh\n(?<script>.*?)```\n\n```json\n(?<printed>.*?)```/gs;
const STEPS = [...README.matchAll(BLOCK)].map(({ groups }) => ({
  script: groups?.script ?? '',
  printed: groups?.printed ?? '',
}));
const SEPARATOR = '\u001e';

/** Each line as printed, where `…` may stand for any characters of that line. */
function pattern(printed: string): RegExp {
  const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(`^${printed.trim().split('…').map(literal).join('[^\\n]*')}$`);
}

/** All steps in one shell, so that later ones see what earlier ones have set; what each of them printed. */
async function walk(product: Product): Promise<string[]> {
  const script = STEPS.map((step) => step.script).join(`\nprintf '${SEPARATOR}'\n`);
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], {
    env: { PATH: process.env.PATH ?? '', API: product.url, KEY: product.key },
  });
  return stdout.split(SEPARATOR).map((text) => text.trim());
}

describe.skipIf(unavailable)('the tour of the README', () => {
  let product: Product;
  let printed: string[];
  beforeAll(async () => {
    product = await startProduct();
    printed = await walk(product);
  });
  afterAll(() => product?.stop());

  test('has its steps, and no marked block without what it prints', () => {
    expect(STEPS.length).toBeGreaterThan(8);
    expect(STEPS).toHaveLength(README.split('<!-- tour -->').length - 1);
    expect(printed).toHaveLength(STEPS.length);
  });

  test.each(STEPS.map((step, index) => [index + 1, step] as const))('step %i prints what it says', (number, step) => {
    expect(printed[number - 1]).toMatch(pattern(step.printed));
  });
});
