import { AcervoError } from '../errors/error.js';

/** Until when a version cannot be deleted. GOVERNANCE can be lifted by who has the right to; COMPLIANCE by nobody. */
export interface Retention {
  mode: 'GOVERNANCE' | 'COMPLIANCE';
  retain_until: string;
}

/** What keeps a version from being deleted: either is enough. */
export interface ObjectLockState {
  legal_hold: boolean;
  /** May be over; null: there never was one. */
  retention: Retention | null;
}

/** Is a version in this state kept? */
export function isHeld({ legal_hold, retention }: ObjectLockState, now: Date): boolean {
  return legal_hold || runs(retention, now);
}

/**
 * May `next` take the place of `before`? While a retention runs it can be made longer, but not shorter, and its mode
 * stays. Source: what S3 allows who has no right to bypass GOVERNANCE.
 * @throws AcervoError `artifact:held`
 */
export function checkLonger(before: Retention | null, next: Retention, now: Date): void {
  if (before === null || !runs(before, now)) return;
  if (next.mode !== before.mode || Date.parse(next.retain_until) < Date.parse(before.retain_until))
    throw new AcervoError('artifact:held', { detail: `It is kept until ${before.retain_until} (${before.mode}).` });
}

function runs(retention: Retention | null, now: Date): boolean {
  return retention !== null && Date.parse(retention.retain_until) > now.getTime();
}
