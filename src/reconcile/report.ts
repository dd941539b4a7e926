import { v7 as uuidv7 } from 'uuid';
import { type Finding, MAX_FINDINGS, type Unfinished } from './schemas.js';

/** Where a run goes on. `key` has been done with all before it; in the pass `due` it is an artifact's id. */
export interface Position {
  pass: 'due' | 'walk' | 'uploads';
  bucket: string;
  key: string;
  /** Of the page of the store's listing that is walked next, or still; undefined: the first. */
  cursor?: string | undefined;
}

/** A stretch of a pass, and what was found in it. */
export interface Step {
  /** Behind it. */
  position: Position;
  findings: Finding[];
  objects_seen: number;
  pointers_seen: number;
  objects_digested: number;
}

/** What a run does. */
export interface Mode {
  apply: boolean;
  checksums: boolean;
}

/** A report with nothing in it. */
export function emptyReport(mode: Mode, now: Date): Unfinished {
  const counted = { objects_seen: 0, pointers_seen: 0, objects_digested: 0, reported: 0, left: 0 };
  return {
    id: uuidv7(),
    started_at: now.toISOString(),
    ...mode,
    ...counted,
    counts: {},
    findings: [],
    truncated: false,
  };
}

/** Is it of somebody else, and nothing to be done about? */
const isReported = ({ kind }: Finding, adopts: boolean) => kind === 'foreign' || (kind === 'orphan' && !adopts);

/** Adds a step to the report. */
export function addStep(report: Unfinished, step: Step, { adopts }: { adopts: boolean }): void {
  report.objects_seen += step.objects_seen;
  report.pointers_seen += step.pointers_seen;
  report.objects_digested += step.objects_digested;
  for (const finding of step.findings) {
    const before = report.counts[finding.kind] ?? { found: 0, settled: 0 };
    report.counts[finding.kind] = {
      found: before.found + 1,
      settled: before.settled + (finding.settled ? 1 : 0),
    };
    if (isReported(finding, adopts)) report.reported += 1;
    else if (!finding.settled) report.left += 1;
    if (report.findings.length < MAX_FINDINGS) report.findings.push(finding);
    else report.truncated = true;
  }
}
