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
  'minio_ref.bucket': 'string',
  'minio_ref.key': 'string',
  'minio_ref.name': 'string',
  'minio_ref.content_type': 'string',
  'minio_ref.size_bytes': 'integer',
  created_at: 'datetime',
  updated_at: 'datetime',
  revision: 'integer',
  embedding_status: 'string',
} as const satisfies Record<string, PathType>;

/** The columns of an artifact that can be filtered. */
export const ARTIFACT_COLUMNS = {
  id: 'string',
  bucket: 'string',
  key: 'string',
  name: 'string',
  entity: 'string',
  user: 'string',
  agent_id: 'string',
  session_id: 'string',
  content_type: 'string',
  size_bytes: 'integer',
  status: 'string',
  sha256: 'string',
  checksum: 'string',
  version_count: 'integer',
  created_at: 'datetime',
  updated_at: 'datetime',
  stored_at: 'datetime',
  revision: 'integer',
} as const satisfies Record<string, PathType>;

/** The columns of a session that can be filtered, beside `state.…`. */
export const SESSION_COLUMNS = {
  id: 'string',
  user: 'string',
  agent_id: 'string',
  status: 'string',
  embedding_space: 'string',
  created_at: 'datetime',
  updated_at: 'datetime',
  last_active_at: 'datetime',
  ended_at: 'datetime',
  revision: 'integer',
} as const satisfies Record<string, PathType>;

/** The columns of a decision that can be filtered. */
export const DECISION_COLUMNS = {
  id: 'string',
  agent_id: 'string',
  session_id: 'string',
  decision_type: 'string',
  'outcome.status': 'string',
  'outcome.summary': 'string',
  'outcome.recorded_at': 'datetime',
  created_at: 'datetime',
  updated_at: 'datetime',
  revision: 'integer',
  embedding_status: 'string',
} as const satisfies Record<string, PathType>;

/** Which columns a filter may name. */
export type ColumnTable = Readonly<Record<string, PathType>>;

/** A checked path: a column of the table that the filter was read with, or `metadata` (`state`) with 1 to 8 segments. */
export interface FilterPath {
  readonly column:
    | keyof typeof COLUMNS
    | keyof typeof ARTIFACT_COLUMNS
    | keyof typeof SESSION_COLUMNS
    | keyof typeof DECISION_COLUMNS
    | 'metadata'
    | 'state';
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
