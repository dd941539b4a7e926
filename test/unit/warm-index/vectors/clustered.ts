function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

/**
 * Makes unit vectors in clusters, as those of real models are: a cluster's centre and noise in a few directions.
 * @returns a function that makes one; `clusters` bounds from which clusters
 */
export function clustered(dimensions: number, random: () => number): (clusters?: number) => Float32Array {
  const [CLUSTERS, DIRECTIONS, SPREAD] = [200, 24, 0.8];
  const gaussian = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const direction = () => unit(Float32Array.from({ length: dimensions }, gaussian));
  const centres = Array.from({ length: CLUSTERS }, direction);
  const directions = Array.from({ length: DIRECTIONS }, direction);
  return (clusters = CLUSTERS) => {
    const vector = Float32Array.from(centres[Math.floor(random() * clusters)]!);
    for (const inner of directions) {
      const amount = (gaussian() * SPREAD) / Math.sqrt(DIRECTIONS);
      for (let i = 0; i < dimensions; i += 1) vector[i]! += amount * inner[i]!;
    }
    return unit(vector);
  };
}
