/** Levels that rollups are made at, and the length of their buckets in seconds. */
export const LEVELS = { '1m': 60, '5m': 300, '1h': 3600 } as const;
export type Level = keyof typeof LEVELS;

/** Levels that are kept for so many days; the hours are kept for good. */
const FINE_LEVELS = ['1m', '5m'] as const satisfies Level[];

/** What rows are told apart by: nothing, one column, or `all` of these. */
const CUTS = ['none', 'agent', 'action', 'status', 'resource_kind', 'all'] as const;
export type Cut = (typeof CUTS)[number];

/**
 * A rollup's name, the first part of its rows' ids. A series that asks for one column reads a row for each bucket and
 * value; in the rollup of `all` these are times the values of all other columns.
 */
export const rollupName = (level: Level, cut: Cut): string => (cut === 'all' ? level : `${level}/${cut}`);

/** The rollups that are dropped behind a time. */
export const FINE_ROLLUPS: string[] = FINE_LEVELS.flatMap((level) => CUTS.map((cut) => rollupName(level, cut)));

/** Audit rows of a minute that have the same columns, counted; '' stands for no agent. */
export interface Minute {
  start: string;
  agent_id: string;
  action: string;
  status: string;
  resource_kind: string;
  count: number;
  /** Of the rows that have a size, in bytes in all. */
  size_count: number;
  size_bytes: number;
}

/** What is added to a row of a rollup; columns that it does not tell apart are ''. */
export interface RollupRow extends Minute {
  rollup: string;
}

function startOf(minute: string, level: Level): string {
  const lengthMs = LEVELS[level] * 1000;
  return new Date(Math.floor(Date.parse(minute) / lengthMs) * lengthMs).toISOString();
}

/** What counted minutes add to each of the rollups. */
export function rollupRows(minutes: readonly Minute[]): RollupRow[] {
  const rows = new Map<string, RollupRow>();
  for (const level of Object.keys(LEVELS) as Level[])
    for (const minute of minutes) {
      const start = startOf(minute.start, level);
      for (const cut of CUTS) {
        const only = (column: Cut, value: string) => (cut === 'all' || cut === column ? value : '');
        const rollup = rollupName(level, cut);
        const agent_id = only('agent', minute.agent_id);
        const action = only('action', minute.action);
        const status = only('status', minute.status);
        const resource_kind = only('resource_kind', minute.resource_kind);
        const name = JSON.stringify([rollup, start, agent_id, action, status, resource_kind]);
        const known = rows.get(name) ?? { count: 0, size_count: 0, size_bytes: 0 };
        rows.set(name, {
          ...{ rollup, start, agent_id, action, status, resource_kind },
          count: known.count + minute.count,
          size_count: known.size_count + minute.size_count,
          size_bytes: known.size_bytes + minute.size_bytes,
        });
      }
    }
  return [...rows.values()];
}
