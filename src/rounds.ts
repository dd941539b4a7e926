import type { Logger } from 'pino';

/**
 * Runs `round` every `intervalMs`, until stopped. One that takes longer than the interval is not overtaken.
 * @param options.failed what the log is told when a round fails; the next one tries again
 * @param options.atOnce does the first one begin now? Else when the first interval is over
 * @param round its signal is aborted when it is to end before it has done all
 * @returns stop; resolves when the round under way has ended
 */
export function startRounds(
  log: Logger,
  { intervalMs, failed, atOnce }: { intervalMs: number; failed: string; atOnce: boolean },
  round: (stopped: AbortSignal) => Promise<void>,
): () => Promise<void> {
  const stopped = new AbortController();
  let working: Promise<void> | undefined;
  const run = async () => {
    try {
      await round(stopped.signal);
    } catch (error) {
      if (!stopped.signal.aborted) log.warn({ err: error }, failed);
    } finally {
      working = undefined;
    }
  };
  const next = () => {
    working ??= run();
  };
  if (atOnce) next();
  const timer = setInterval(next, intervalMs);
  return async () => {
    clearInterval(timer);
    stopped.abort();
    await working;
  };
}
