import type { Attempt } from './sender.js';

const MAX_BACKOFF_MS = 3_600_000;
/** With its jitter. */
export const MAX_PAUSE_MS = 1.5 * MAX_BACKOFF_MS;
/** The longest that a receiver may ask us to wait. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** How a hook's receiver is doing. */
export interface Health {
  consecutive_failures: number;
  last_success_at?: Date | undefined;
  last_failure_at?: Date | undefined;
  next_attempt_at?: Date | undefined;
}

export interface Patience {
  /** The first pause in milliseconds; each further one is twice as long, up to an hour. */
  backoffMs: number;
  /** So many failures in a row disable the hook. */
  maxAttempts: number;
}

/** The pause after so many failures in a row, in milliseconds; between half and one and a half of it at random. */
export function backoffOf(failures: number, firstMs: number, random: () => number = Math.random): number {
  return Math.min(MAX_BACKOFF_MS, firstMs * 2 ** (failures - 1)) * (0.5 + random());
}

/** What a receiver asks for by Retry-After (RFC 9110, section 10.2.3) in milliseconds, at most an hour; 0: nothing. */
export function retryAfterOf(header: string | undefined, now: Date): number {
  if (header === undefined) return 0;
  const seconds = /^\d{1,9}$/.test(header.trim()) ? Number(header) : (Date.parse(header) - now.getTime()) / 1000;
  return Number.isFinite(seconds) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(0, seconds * 1000)) : 0;
}

/** After a delivery that was taken. */
export const succeeded = (now: Date, { last_failure_at }: Health): Health => ({
  consecutive_failures: 0,
  last_success_at: now,
  last_failure_at,
});

/** After one that was not. `over` says why the hook is disabled: nothing more is sent. */
export function failed(
  health: Health,
  { status_code, retryAfterMs }: Pick<Attempt, 'status_code' | 'retryAfterMs'>,
  { now, patience, random }: { now: Date; patience: Patience; random?: () => number },
): { health: Health; over?: 'gone' | 'failing' } {
  const consecutive_failures = health.consecutive_failures + 1;
  const failing = { ...health, consecutive_failures, last_failure_at: now };
  if (status_code === 410) return { health: { ...failing, next_attempt_at: undefined }, over: 'gone' };
  if (consecutive_failures >= patience.maxAttempts)
    return { health: { ...failing, next_attempt_at: undefined }, over: 'failing' };
  const pauseMs = Math.max(backoffOf(consecutive_failures, patience.backoffMs, random), retryAfterMs);
  return { health: { ...failing, next_attempt_at: new Date(now.getTime() + pauseMs) } };
}
