import type { Position } from '../live/position.js';
import type { Database } from '../surreal/database.js';
import { retryConflicts } from '../surreal/retry-conflicts.js';
import type { HookEvent } from './event.js';
import type { Health } from './health.js';
import type { HookRow, HookState } from './row.js';
import { ATTEMPTS_KEPT, type AttemptRow } from './schemas.js';
import type { Attempt } from './sender.js';

/** Deliveries and milliseconds after which it is saved how far a hook is: so much at most is repeated after a crash. */
const SAVE_AFTER_ATTEMPTS = 100;
const SAVE_AFTER_MS = 500;
/** The log goes on while nothing of it is for this hook: so often that is saved. */
const SAVE_IDLE_AFTER_MS = 10_000;

type NewAttempt = Omit<AttemptRow, 'attempted_at'> & { attempted_at: Date };

/** How far one hook is, as its pump knows it and as the database does. */
export class Progress {
  readonly #db: Database;
  readonly #id: string;
  readonly #revision: number;
  position: Position;
  health: Health;
  waitingSince: Date | undefined;
  #attempts: number;
  #unsaved: NewAttempt[] = [];
  #moved = false;
  #savedAtMs = performance.now();

  constructor(db: Database, { row, state }: { row: HookRow; state: HookState }) {
    const { position, attempts, waiting_since, ...health } = state;
    this.#db = db;
    this.#id = row.id;
    this.#revision = row.revision;
    this.position = position;
    this.health = health;
    this.waitingSince = waiting_since;
    this.#attempts = attempts;
  }

  /** Everything up to here has been delivered; what is known to wait is this old. */
  reached(position: Position, waitingSince: Date | undefined): void {
    // While nothing is written the place stays where it is: then nothing is saved either.
    this.#moved ||= JSON.stringify(position) !== JSON.stringify(this.position);
    this.position = position;
    this.waitingSince = waitingSince;
  }

  note({ id, type }: HookEvent, { retryAfterMs: _asked, ...attempt }: Attempt, attempted_at: Date): void {
    this.#attempts += 1;
    this.#unsaved.push({ number: this.#attempts, event_id: id, event_type: type, attempted_at, ...attempt });
    // Only so many are kept.
    if (this.#unsaved.length > ATTEMPTS_KEPT) this.#unsaved.shift();
  }

  #isDue(): boolean {
    const sinceMs = performance.now() - this.#savedAtMs;
    if (this.#unsaved.length === 0) return this.#moved && sinceMs >= SAVE_IDLE_AFTER_MS;
    return this.#unsaved.length >= SAVE_AFTER_ATTEMPTS || sinceMs >= SAVE_AFTER_MS;
  }

  /**
   * Saves it, at once or when it is due.
   * @returns false when the hook has been changed or deleted since it was read: its deliverer has to begin anew
   * @throws AcervoError `database:unavailable`, `database:conflict`
   */
  async save(when?: 'now'): Promise<boolean> {
    if (when === undefined && !this.#isDue()) return true;
    if (this.#unsaved.length === 0 && !this.#moved) return true;
    const state = {
      ...{ revision: this.#revision, position: this.position, attempts: this.#attempts },
      ...{ waiting_since: this.waitingSince, ...this.health },
    };
    const saving = this.#unsaved.length;
    const attempts = this.#unsaved.map((row) => ({ place: row.number % ATTEMPTS_KEPT, row }));
    const held = await retryConflicts(() => this.#db.query<boolean>('hooks/save', { id: this.#id, state, attempts }));
    this.#unsaved.splice(0, saving);
    this.#moved = false;
    this.#savedAtMs = performance.now();
    return held;
  }
}
