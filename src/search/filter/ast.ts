/** A value that a filter compares with. A `Date` stands only under the datetime columns. */
export type FilterValue = string | number | boolean | null | Date;

/** What a path holds; `any` is metadata, where each document decides. */
export type PathType = 'string' | 'integer' | 'datetime' | 'any';

/** The columns of a document that can be filtered, and what they hold. */
export const COLUMNS = {
  id: 'string',
  title: 'string',
  language: 'string',
  agent_id: 'string',
  artifact_id: 'string',
  created_at: 'datetime',
  updated_at: 'datetime',
  revision: 'integer',
  embedding_status: 'string',
} as const satisfies Record<string, PathType>;

/** A checked path: a column of `COLUMNS`, or `metadata` with 1 to 8 segments. */
export interface FilterPath {
  readonly column: keyof typeof COLUMNS | 'metadata';
  readonly segments: readonly string[];
  readonly type: PathType;
}

/** One test of one path. */
export type Condition =
  | {
      readonly kind: 'eq' | 'gt' | 'gte' | 'lt' | 'lte' | 'contains';
      readonly path: FilterPath;
      readonly value: FilterValue;
    }
  | { readonly kind: 'in'; readonly path: FilterPath; readonly values: readonly FilterValue[] }
  | { readonly kind: 'exists'; readonly path: FilterPath };

/**
 * A filter, made by `parseFilter`, judged by `evaluateFilter` and written as SurrealQL by `compileFilter`. What it means:
 *
 * - `and` of nothing is true. $ne, $nin and `$exists: false` are `not` of $eq, $in and $exists, and thus the only
 *   conditions, beside $not, that a missing path fulfils.
 * - A path is missing when nothing is there, or when it leads through anything but objects: `metadata.tags.name` is
 *   missing where `tags` is an array.
 * - eq: same type, same value. Numbers are one type (`1` equals `1.0`); null equals an explicit null only. An array or an
 *   object equals no value.
 * - in: eq to one of the values.
 * - gt, gte, lt, lte: number with number, string with string by code point, datetime with datetime; else false.
 * - contains: an array holds an element that is eq to the value, or a string holds the value, a string, as a substring.
 * - exists: the path is not missing; an explicit null exists.
 * - Datetimes are compared by their millisecond; what is finer is cut off.
 */
export type Filter =
  | Condition
  | { readonly kind: 'and' | 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter };
