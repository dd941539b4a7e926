/**
 * Scales a vector to unit length, as float64; first divided by its largest component, so that no square overflows or
 * vanishes.
 * @param values float[n] of any length and origin: what a provider sent is not trusted to be numbers
 * @returns float[n] of length 1, or undefined when a value is not a finite number or all are zero (no direction)
 */
export function toUnitVector(values: ArrayLike<unknown>): number[] | undefined {
  const numbers: number[] = new Array(values.length);
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
    numbers[i] = value;
    largest = Math.max(largest, Math.abs(value));
  }
  if (largest === 0) return undefined;
  let squares = 0;
  for (const value of numbers) squares += (value / largest) ** 2;
  const norm = Math.sqrt(squares);
  return numbers.map((value) => value / largest / norm);
}
