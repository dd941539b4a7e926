const DAY_MS = 86_400_000;

/** A rule of lifecycle.xml that is in force. It holds for all keys of its bucket that begin with `prefix`. */
export interface LifecycleRule {
  /** Begins with the name of its bucket and a colon. */
  id: string;
  bucket: string;
  prefix: string;
  /** Objects are deleted: where versions are kept, a marker hides them. */
  expire_after_days?: number;
  /** The same for all objects from this midnight UTC on. */
  expire_on?: string;
  /** A marker that hides nothing any more goes away. */
  expire_lone_markers?: true;
  transition?: { after_days: number; tier: string };
  /** Versions that are not the current one are removed so long after they ceased to be it, but for the newest `keep`. */
  old_versions?: { after_days: number; keep: number };
  abort_uploads_after_days?: number;
}

export function rulesOf(rules: readonly LifecycleRule[], bucket: string): LifecycleRule[] {
  return rules.filter((rule) => rule.bucket === bucket);
}

/** Rules for one object. */
export function rulesFor(rules: readonly LifecycleRule[], name: { bucket: string; key: string }): LifecycleRule[] {
  return rules.filter(({ bucket, prefix }) => bucket === name.bucket && name.key.startsWith(prefix));
}

/** Has so much time passed? S3 counts whole days, and acts at the midnight UTC behind them. */
export function daysHavePassed(days: number, since: string, now: Date): boolean {
  return (Math.floor(Date.parse(since) / DAY_MS) + days + 1) * DAY_MS <= now.getTime();
}

/** Do the rules delete the current version of this object by now? */
export function expiresBy(
  rules: readonly LifecycleRule[],
  object: { bucket: string; key: string; modified_at: string },
  now: Date,
): boolean {
  return rulesFor(rules, object).some(
    ({ expire_after_days: days, expire_on }) =>
      (days !== undefined && daysHavePassed(days, object.modified_at, now)) ||
      (expire_on !== undefined && Date.parse(expire_on) <= now.getTime()),
  );
}
