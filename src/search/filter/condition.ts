import { z } from 'zod';
import type { Condition, Filter, FilterPath, FilterValue } from './ast.js';

const MAX_VALUES = 100;
const MAX_STRING_CHARS = 1000;

/** Why one operator under one path cannot be read. */
export interface ConditionFault {
  code: 'filter:invalid' | 'filter:unknown_operator';
  fault: string;
}

/** Operators that compare with one value. */
const COMPARISONS = {
  $eq: 'eq',
  $ne: 'eq',
  $gt: 'gt',
  $gte: 'gte',
  $lt: 'lt',
  $lte: 'lte',
  $contains: 'contains',
} as const;

const invalid = (fault: string): ConditionFault => ({ code: 'filter:invalid', fault });

const not = (of: Filter | ConditionFault): Filter | ConditionFault => ('fault' in of ? of : { kind: 'not', of });

/** Reads one operator and its operand: `$gt: 10`. */
export function readCondition(path: FilterPath, operator: string, operand: unknown): Filter | ConditionFault {
  switch (operator) {
    case '$eq':
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
    case '$contains':
      return readComparison(path, COMPARISONS[operator], operand);
    case '$ne':
      return not(readComparison(path, 'eq', operand));
    case '$in':
      return readList(path, operand);
    case '$nin':
      return not(readList(path, operand));
    case '$exists':
      if (typeof operand !== 'boolean') return invalid('Must be true or false.');
      return operand ? { kind: 'exists', path } : { kind: 'not', of: { kind: 'exists', path } };
    default:
      return {
        code: 'filter:unknown_operator',
        fault: 'Under a path stand $eq $ne $gt $gte $lt $lte $in $nin $exists $contains.',
      };
  }
}

function readComparison(
  path: FilterPath,
  kind: (typeof COMPARISONS)[keyof typeof COMPARISONS],
  operand: unknown,
): Condition | ConditionFault {
  if (kind === 'contains' && path.type !== 'string' && path.type !== 'any')
    return invalid('$contains looks into strings and lists.');
  const read = readValue(path, operand);
  if ('fault' in read) return read;
  const { value } = read;
  if (kind !== 'eq' && kind !== 'contains' && (typeof value === 'boolean' || value === null))
    return invalid('Only numbers, strings and datetimes are greater or less.');
  return { kind, path, value };
}

function readList(path: FilterPath, operand: unknown): Condition | ConditionFault {
  if (!Array.isArray(operand) || operand.length === 0 || operand.length > MAX_VALUES)
    return invalid(`Must be a list of 1 to ${MAX_VALUES} values.`);
  const values: FilterValue[] = [];
  for (const element of operand) {
    const read = readValue(path, element);
    if ('fault' in read) return read;
    values.push(read.value);
  }
  return { kind: 'in', path, values };
}

/** Checks a value against what its path holds. */
function readValue({ type }: FilterPath, value: unknown): { value: FilterValue } | ConditionFault {
  if (typeof value === 'string') {
    if (value.length > MAX_STRING_CHARS) return invalid(`A string has at most ${MAX_STRING_CHARS} characters.`);
    // The database holds no half of a surrogate pair: it would be replaced, and equal another.
    if (/\p{Surrogate}/u.test(value)) return invalid('A string must be valid Unicode.');
  }
  switch (type) {
    case 'string':
      return typeof value === 'string' ? { value } : invalid('Must be a string; to find what is missing, use $exists.');
    case 'integer':
      return Number.isSafeInteger(value) ? { value: value as number } : invalid('Must be an integer.');
    case 'datetime':
      return readDatetime(value);
    case 'any':
      if (value === null || typeof value === 'string' || typeof value === 'boolean') return { value };
      if (typeof value === 'number' && Number.isFinite(value)) return { value };
      return invalid('Must be a string, a finite number, true, false or null.');
  }
}

const datetime = z.iso.datetime({ offset: true });

function readDatetime(value: unknown): { value: Date } | ConditionFault {
  // zod forgives missing seconds, RFC 3339 does not; an offset can lead out of the years that it has.
  const isRfc3339 = typeof value === 'string' && /T\d\d:\d\d:\d\d/.test(value) && datetime.safeParse(value).success;
  const read = isRfc3339 ? new Date(value) : undefined;
  if (read === undefined || !/^\d{4}-/.test(read.toISOString()))
    return invalid('Must be a datetime of RFC 3339, such as 2026-01-31T00:00:00Z.');
  return { value: read };
}
