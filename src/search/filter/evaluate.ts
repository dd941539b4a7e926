import type { Condition, Filter, FilterPath, FilterValue } from './ast.js';

/**
 * Does this document fulfil the filter? The plain reading of what `Filter` says, and the judge of every other one.
 * @param document as in a response: columns, `metadata`; datetimes as RFC 3339 text or `Date`
 */
export function evaluateFilter(filter: Filter, document: Readonly<Record<string, unknown>>): boolean {
  switch (filter.kind) {
    case 'and':
      return filter.of.every((member) => evaluateFilter(member, document));
    case 'or':
      return filter.of.some((member) => evaluateFilter(member, document));
    case 'not':
      return !evaluateFilter(filter.of, document);
    default:
      return evaluateCondition(filter, valueAt(document, filter.path));
  }
}

function evaluateCondition(condition: Condition, found: unknown): boolean {
  switch (condition.kind) {
    case 'exists':
      return found !== undefined;
    case 'eq':
      return equals(found, condition.value);
    case 'in':
      return condition.values.some((value) => equals(found, value));
    case 'contains':
      if (Array.isArray(found)) return found.some((element) => equals(element, condition.value));
      return typeof found === 'string' && typeof condition.value === 'string' && found.includes(condition.value);
    default: {
      const order = compare(found, condition.value);
      if (order === undefined) return false;
      if (condition.kind === 'gt') return order > 0;
      if (condition.kind === 'gte') return order >= 0;
      return condition.kind === 'lt' ? order < 0 : order <= 0;
    }
  }
}

/** What is at the path; `undefined` when it is missing. */
function valueAt(document: Readonly<Record<string, unknown>>, path: FilterPath): unknown {
  let value: unknown = document;
  for (const segment of [...path.column.split('.'), ...path.segments]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, segment))
      return undefined;
    value = (value as Record<string, unknown>)[segment];
  }
  return path.type === 'datetime' && typeof value === 'string' ? new Date(value) : value;
}

function equals(found: unknown, value: FilterValue): boolean {
  return value instanceof Date ? compare(found, value) === 0 : found === value;
}

/** Negative, 0 or positive; `undefined` for values that have no order between them. */
function compare(found: unknown, value: FilterValue): number | undefined {
  if (typeof found === 'number' && typeof value === 'number') return Math.sign(found - value);
  // UTF-8 sorts by code point; JavaScript's own order, by UTF-16 unit, puts emoji before U+E000.
  if (typeof found === 'string' && typeof value === 'string')
    return Buffer.compare(Buffer.from(found), Buffer.from(value));
  if (found instanceof Date && value instanceof Date) return found.getTime() - value.getTime();
  return undefined;
}
