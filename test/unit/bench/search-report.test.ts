import { describe, expect, it } from 'vitest';
import { aims, searchReport, sideBySide } from '../../../bench/search-report.mjs';

const cell = (peer: string, p50: number, p95: number) => ({
  ...{
    peer,
    clients: 1,
    filter: 'none',
    mode: 'hybrid',
    n: 500,
    p50,
    p95,
    p99: 2 * p95,
    requests_per_second: 1000 / p50,
  },
  ...{ aside_share: 0, lag_p99_ms: 1, documents_per_second: 200 },
});
const recalls = ['Acervo', 'LanceDB', 'SurrealQL'].map((peer) => ({
  ...{ peer, filter: 'none', mode: 'hybrid', recall_at_10: peer === 'Acervo' ? 0.995 : 1 },
}));
const load = (factor: number) => ({
  cells: [cell('Acervo', 2, 3 * factor), cell('LanceDB', 4, 4), cell('SurrealQL', 20, 40)],
  recalls,
  memory: [{ peer: 'Acervo', resident_bytes: 2 ** 20 * 300 }],
  settled: undefined,
});
const run = {
  ...{ engine: 'embedded', passages: 2000, rate: 200, warm: undefined, tuning: undefined },
  ingest: { documents_per_second: 500, peak_resident_bytes: { product: 2 ** 20, server: 0 } },
  loads: { idle: load(1), ingesting: load(4) },
};

describe('searchReport', () => {
  it('sets the series side by side with their ratios', () => {
    const report = searchReport(run);
    expect(report).toContain(
      '| none | hybrid | 2.00 / 3.00 / 6.00 | 500 | 0.9950 | 4.00 / 4.00 / 8.00 | 250 | 1.0000 | 20.0 / 40.0 / 80.0 | 50 | 1.0000 | 0.50 | 0.75 | 10.00 |',
    );
    expect(report).toContain('| none | hybrid | 1 | 4.00 | 200 | 1.00 | 200 | 1.00 | 200 |');
    expect(report).toContain('| resident after idle, MiB: Acervo | 300 |');
  });

  it('says which aims were missed', () => {
    const rows = aims({ idle: sideBySide(run.loads.idle), ingesting: sideBySide(run.loads.ingesting) });
    const reached = rows.map(([, most, value]: [string, number, number]) => value <= most);
    expect(reached).toEqual([true, true, false, true]);
    expect(searchReport(run)).toContain('| p95 while documents arrive / idle | 2.00 | 4.000 | **missed** |');
  });

  it('goes without a peer that was skipped', () => {
    const alone = { ...load(1), cells: [cell('Acervo', 2, 3)] };
    const report = searchReport({ ...run, loads: { idle: alone, ingesting: alone } });
    expect(report).not.toContain('LanceDB, ms');
    expect(report).not.toContain('hybrid over HTTP');
  });
});
