import type { ErrorCode } from '../../errors/codes.js';
import { AcervoError, type Fault, isAcervoError } from '../../errors/error.js';
import { parseJson } from '../../http/json.js';
import { COLUMNS, type ColumnTable, type Filter, type FilterPath, SESSION_COLUMNS } from './ast.js';
import { readCondition } from './condition.js';

/** Bounds of a filter. Conditions and depth keep its SurrealQL below the depth at which an engine's parser gives up. */
const MAX_CONDITIONS = 100;
const MAX_DEPTH = 8;
export const MAX_PATH_SEGMENTS = 8;

const SEGMENT = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
const FORBIDDEN_SEGMENTS = new Set(['__proto__', 'constructor', 'prototype']);

/** Can a filter name a key of metadata so? Others are stored, and out of its reach. */
export const isPathSegment = (key: string): boolean => SEGMENT.test(key) && !FORBIDDEN_SEGMENTS.has(key);

/** What parsing gathers on its way: faults, and how many conditions it has met. */
class Reader {
  readonly faults: (Fault & { code: ErrorCode })[] = [];
  private conditions = 0;

  constructor(readonly columns: ColumnTable) {}

  fault(code: ErrorCode, path: string, message: string): undefined {
    this.faults.push({ code, path: path.slice(0, 200), message });
    return undefined;
  }

  /** @throws AcervoError at the first condition too many, so that a huge body ends here. */
  countCondition(): void {
    this.conditions += 1;
    if (this.conditions <= MAX_CONDITIONS) return;
    const message = `A filter has at most ${MAX_CONDITIONS} conditions.`;
    throw new AcervoError('filter:invalid', { detail: message, faults: [{ path: 'filter', message }] });
  }
}

/** A filter that came as JSON text, in a query string. @throws AcervoError `filter:invalid`, and those of `parseJson` */
export function filterOfText(text: string): unknown {
  try {
    return parseJson(Buffer.from(text));
  } catch (error) {
    if (!isAcervoError(error, 'request:malformed_json')) throw error;
    const message = 'Must be JSON.';
    throw new AcervoError('filter:invalid', { detail: `filter: ${message}`, faults: [{ path: 'filter', message }] });
  }
}

/**
 * Reads a filter from a request: `{"metadata.size": {"$gt": 10}, "agent_id": "a1", "$or": [{…}, {…}]}`. Keys of one object,
 * and operators under one path, are ANDed; `{}` is everything. What it means is told at `Filter`.
 * Bounds: depth 8, 100 conditions (an empty object counts as one), 100 values in a list, strings of 1 000 characters.
 * @param columns what may be filtered: one of the tables of ast.ts
 * @throws AcervoError `filter:unknown_path`, `filter:unknown_operator`, `filter:invalid`: the code of the first fault,
 *   with all of them in `faults`
 */
export function parseFilter(input: unknown, columns: ColumnTable = COLUMNS): Filter {
  const reader = new Reader(columns);
  const filter = readObject(reader, input, 'filter', 1);
  const [first] = reader.faults;
  if (first !== undefined) {
    const faults = reader.faults.map(({ path, message }) => ({ path, message }));
    throw new AcervoError(first.code, { detail: `${first.path}: ${first.message}`, faults });
  }
  return filter;
}

function readObject(reader: Reader, input: unknown, at: string, depth: number): Filter {
  if (!isObject(input)) {
    reader.countCondition();
    reader.fault('filter:invalid', at, 'Must be an object.');
    return all([]);
  }
  if (depth > MAX_DEPTH) {
    reader.fault('filter:invalid', at, `A filter is at most ${MAX_DEPTH} objects deep.`);
    return all([]);
  }
  const entries = Object.entries(input);
  if (entries.length === 0) reader.countCondition();
  return all(
    entries.flatMap(([key, value]) =>
      key.startsWith('$')
        ? readGroup(reader, key, value, `${at}.${key}`, depth)
        : readPathConditions(reader, key, value, `${at}.${key}`),
    ),
  );
}

/** `$and`, `$or` or `$not`. */
function readGroup(reader: Reader, key: string, value: unknown, at: string, depth: number): Filter[] {
  if (key === '$not') return [{ kind: 'not', of: readObject(reader, value, at, depth + 1) }];
  if (key !== '$and' && key !== '$or') {
    reader.countCondition();
    reader.fault('filter:unknown_operator', at, 'Beside paths stand only $and, $or and $not.');
    return [];
  }
  if (!Array.isArray(value) || value.length === 0) {
    reader.countCondition();
    reader.fault('filter:invalid', at, 'Must be a list of one or more filters.');
    return [];
  }
  const of = value.map((member, index) => readObject(reader, member, `${at}[${index}]`, depth + 1));
  return [key === '$and' ? all(of) : { kind: 'or', of }];
}

/** All conditions under one path: a plain value is short for `$eq`. */
function readPathConditions(reader: Reader, key: string, value: unknown, at: string): Filter[] {
  const path = readPath(reader.columns, key);
  if (path === undefined) {
    reader.countCondition();
    const known = Object.keys(reader.columns).join(', ');
    reader.fault(
      'filter:unknown_path',
      at,
      `Must be one of ${known} or metadata.<path>, of keys that are ${SEGMENT.source.slice(1, -1)}`,
    );
    return [];
  }
  const operators = isObject(value) ? Object.entries(value) : [['$eq', value] as const];
  if (operators.length === 0) {
    reader.countCondition();
    reader.fault('filter:invalid', at, 'Must be a value, or an object with one or more operators.');
  }
  return operators.flatMap(([operator, operand]) => {
    reader.countCondition();
    const read = readCondition(path, operator, operand);
    if (!('fault' in read)) return [read];
    reader.fault(read.code, isObject(value) ? `${at}.${operator}` : at, read.fault);
    return [];
  });
}

function readPath(columns: ColumnTable, key: string): FilterPath | undefined {
  const type = Object.hasOwn(columns, key) ? columns[key] : undefined;
  // What a table has as a key is a column: the tables are constants of ast.ts.
  if (type !== undefined) return { column: key as FilterPath['column'], segments: [], type };
  const [column, ...segments] = key.split('.', MAX_PATH_SEGMENTS + 2);
  const isObject = column === 'metadata' || (column === 'state' && columns === SESSION_COLUMNS);
  if (!isObject || segments.length === 0 || segments.length > MAX_PATH_SEGMENTS) return undefined;
  return segments.every(isPathSegment) ? { column, segments, type: 'any' } : undefined;
}

function all(of: Filter[]): Filter {
  const [first, ...rest] = of;
  return first !== undefined && rest.length === 0 ? first : { kind: 'and', of };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
