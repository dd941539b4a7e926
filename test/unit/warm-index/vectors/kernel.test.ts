import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import wabt from 'wabt';
import { KERNEL } from '../../../../src/warm-index/vectors/kernel.js';

test('the kernel that is in use is its source, assembled', async () => {
  const source = readFileSync('src/warm-index/vectors/kernel.wat', 'utf8');
  const features = { simd: true };
  const module = (await wabt()).parseWat('kernel.wat', source, features);
  module.validate();
  expect(KERNEL).toBe(Buffer.from(module.toBinary({}).buffer).toString('base64'));
});
