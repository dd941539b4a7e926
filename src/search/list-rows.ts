import type { Context } from '../context.js';
import { digestOf } from '../http/digest.js';
import { compileList } from './compile.js';
import type { ColumnTable, Filter } from './filter/ast.js';
import { filterOfText, parseFilter } from './filter/parse.js';
import { visibleTo } from './plan.js';

/** What every list takes. */
export interface ListInput {
  /** The filter of a search, as JSON text. */
  filter?: string | undefined;
  order: 'asc' | 'desc';
  limit: number;
  cursor?: string | undefined;
}

/** What is listed. */
export interface Listed {
  table: Parameters<typeof compileList>[0];
  columns: ColumnTable;
  cursorKind: string;
}

/**
 * A page of rows that this key may see, in the order of their ids (for ids made here: of their making).
 * @param named further conditions, column → value; undefined values are none
 * @throws AcervoError `filter:*`, `cursor:*`
 */
export async function listRows<Row extends { id: string }>(
  ctx: Context,
  { table, columns, cursorKind }: Listed,
  { filter, order, limit, cursor }: ListInput,
  named: Record<string, string | undefined> = {},
): Promise<{ rows: Row[]; cursor?: string }> {
  const digest = digestOf([ctx.principal.key_id, filter, named, order]);
  const after = cursor === undefined ? undefined : String(ctx.cursors.verify(cursorKind, cursor, digest).after);
  const given = parseFilter(filter === undefined ? {} : filterOfText(filter), columns);
  const conditions = Object.entries(named).filter(([, value]) => value !== undefined);
  const wanted: Filter =
    conditions.length === 0
      ? given
      : { kind: 'and', of: [parseFilter(Object.fromEntries(conditions), columns), given] };
  // One more than asked for tells whether there is another page.
  const page = { after, descending: order === 'desc', limit: limit + 1 };
  const found = await ctx.db.run<Row[]>(compileList(table, visibleTo(ctx, wanted) ?? wanted, page));
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  if (found.length <= limit || last === undefined) return { rows };
  return { rows, cursor: ctx.cursors.sign(cursorKind, { after: last.id }, digest) };
}
