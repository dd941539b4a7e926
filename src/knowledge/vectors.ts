import { toUnitVector } from '../embeddings/unit-vector.js';
import { AcervoError } from '../errors/error.js';

/**
 * Checks a vector of a caller and brings it to unit length.
 * @param vector float[dimensions]
 * @param path where it stood in the request, for the error
 * @throws AcervoError `vector:wrong_dimensions`, `vector:not_finite`, `vector:zero`
 */
export function checkedUnitVector(vector: number[], dimensions: number, path: string): number[] {
  if (vector.length !== dimensions) {
    const message = `has ${vector.length} numbers; the space has ${dimensions}`;
    throw new AcervoError('vector:wrong_dimensions', { detail: `${path} ${message}`, faults: [{ path, message }] });
  }
  if (!vector.every(Number.isFinite))
    throw new AcervoError('vector:not_finite', { faults: [{ path, message: 'holds a number that is not finite' }] });
  const unit = toUnitVector(vector);
  if (unit === undefined) throw new AcervoError('vector:zero', { faults: [{ path, message: 'is all zeros' }] });
  return unit;
}
