import type { Timing } from '../../../src/embeddings/resilient.js';

/** Time that passes only when somebody sleeps, and the lengths of these sleeps; chance is always `random`. */
export class FakeTiming implements Timing {
  readonly sleptMs: number[] = [];
  nowMs = Date.parse('2026-01-01T00:00:00Z');

  constructor(readonly chance = 0.5) {}

  readonly sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    this.sleptMs.push(ms);
    this.nowMs += ms;
  };
  readonly random = () => this.chance;
  readonly now = () => this.nowMs;
}
