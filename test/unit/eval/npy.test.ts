import { describe, expect, it } from 'vitest';
import { parseNpy } from '../../../eval/collection.mjs';

/** A file as numpy 1.0 writes it: magic, version, header length, header, values. */
function npy(header: string, values: number[], version = 1): Buffer {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  if (version === 1) length.writeUInt16LE(header.length);
  else length.writeUInt32LE(header.length);
  const magic = Buffer.from(`\x93NUMPY${String.fromCharCode(version, 0)}`, 'latin1');
  return Buffer.concat([magic, length, Buffer.from(header), Buffer.from(Float32Array.from(values).buffer)]);
}

describe('parseNpy', () => {
  it.each([1, 2])('reads float32 rows of version %i, wherever they begin', (version) => {
    const { rows, dimensions } = parseNpy(
      npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", [1, 2.5, -3, 4, 5, 6], version),
    );
    expect(dimensions).toBe(3);
    expect(rows.map((row: Float32Array) => [...row])).toEqual([
      [1, 2.5, -3],
      [4, 5, 6],
    ]);
  });

  it.each([
    ['doubles', "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }"],
    ['columns first', "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }"],
    ['one dimension', "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"],
    ['another number of values', "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"],
  ])('refuses %s', (_what, header) => {
    expect(() => parseNpy(npy(header, [1]))).toThrow(header);
  });

  it('refuses another kind of file', () => {
    expect(() => parseNpy(Buffer.from('{"id": "1"}'))).toThrow('not an .npy file');
  });
});
