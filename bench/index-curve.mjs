import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';

/** 1, 2 and 5 times the powers of ten from `from` on, below `last`; and `last`. */
export function stepsTo(from, last) {
  const steps = [];
  for (let power = 1; power < last; power *= 10)
    for (const factor of [1, 2, 5]) if (factor * power >= from && factor * power < last) steps.push(factor * power);
  return [...steps, last];
}

/** Memory that the machine can still give, in bytes. */
export function availableBytes() {
  try {
    return Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) * 1024;
  } catch {
    return freemem();
  }
}

/**
 * What a number of documents beyond the last step would take: memory grows with their number, as it did over the last step;
 * building with n · log n, as each vector's place in the graph is searched for.
 */
export function extrapolated(steps, documents) {
  const last = steps.at(-1);
  const before = steps.at(-2) ?? { documents: 0, bytes: 0, resident_bytes: 0 };
  const beyond = (documents - last.documents) / (last.documents - before.documents);
  const grown = (field) => last[field] + beyond * (last[field] - before[field]);
  const work = (n) => n * Math.log(n);
  return {
    build_seconds: (last.build_seconds * work(documents)) / work(last.documents),
    bytes: grown('bytes'),
    resident_bytes: grown('resident_bytes'),
  };
}
