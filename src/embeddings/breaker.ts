/** How long no attempt is made once the provider is taken to be away, unless it asks for longer. */
const COOLDOWN_SECONDS = 5;

/**
 * A circuit breaker: after `threshold` failures without a success between them, attempts are refused for a few seconds;
 * then one probe at a time goes through, and its success lets all through again.
 */
export class CircuitBreaker {
  #failures = 0;
  #refusingUntilMs = Number.NEGATIVE_INFINITY;

  /** @param now epoch milliseconds */
  constructor(
    readonly threshold: number,
    readonly now: () => number,
  ) {}

  /** Seconds until an attempt may be made; 0 is now. */
  waitSeconds(): number {
    return Math.max(0, Math.ceil((this.#refusingUntilMs - this.now()) / 1000));
  }

  /** May an attempt be made? The probe's turn is taken by asking. */
  admit(): boolean {
    if (this.waitSeconds() > 0) return false;
    if (this.#failures >= this.threshold) this.#refuseFor(COOLDOWN_SECONDS);
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#refusingUntilMs = Number.NEGATIVE_INFINITY;
  }

  failed(retryAfterSeconds = 0): void {
    this.#failures++;
    if (this.#failures >= this.threshold) this.#refuseFor(Math.max(COOLDOWN_SECONDS, retryAfterSeconds));
  }

  #refuseFor(seconds: number): void {
    this.#refusingUntilMs = this.now() + seconds * 1000;
  }
}
