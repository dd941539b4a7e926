import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { AcervoError } from '../errors/error.js';
import { type Kind, kindOf } from './kinds.js';
import type { Answer, Refusal, Task } from './messages.js';
import type { Extracted } from './read.js';

/** Each may take a core and `MAX_MEMORY_MB`, and its file is held in memory here. */
const MAX_RUNNING = 2;
const MAX_WAITING = 32;
/** Resident. V8 gets the same for its heap alone, so that it is ended before it spends its time on collecting. */
const MAX_MEMORY_MB = 1024;
const RETRY_AFTER_SECONDS = 5;

const WORKER_PATH = fileURLToPath(new URL('./worker.js', import.meta.url));

export interface FileToRead {
  size_bytes: number;
  /** Brings its bytes: asked once its turn has come, so that files that wait take no memory. */
  read: () => Promise<Uint8Array>;
  content_type: string;
  /** Its ending says what the file is where the content type does not. */
  name: string;
}

export interface ExtractorOptions {
  /** For one file, from when it has been brought. */
  timeoutMs: number;
  /** Of one file. */
  maxBytes: number;
  /** Of one file's text as UTF-8. */
  maxTextBytes: number;
}

export interface Extractor {
  /**
   * Takes the text out of a file, in a process of its own with bounds on its time and memory.
   * @throws AcervoError `extraction:unsupported`, `extraction:failed`, `extraction:empty`, `extraction:too_costly`, and
   *   `request:overloaded` when too many files wait
   * @throws what `file.read` throws; the signal's reason when it aborts
   */
  extract(file: FileToRead, signal?: AbortSignal): Promise<Extracted>;
  /** Ends what is running; that, and what waits, is refused with `request:overloaded`. */
  close(): void;
}

/** Makes the extractor of a process; nothing runs until it is asked. */
export function createExtractor({ timeoutMs, maxBytes, maxTextBytes }: ExtractorOptions): Extractor {
  const slots = pLimit(MAX_RUNNING);
  const running = new Set<ChildProcess>();
  let closed = false;

  function requireWanted(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (closed) throw overloaded();
  }

  async function read(kind: Kind, file: FileToRead, signal: AbortSignal | undefined): Promise<Extracted> {
    requireWanted(signal);
    const bytes = await file.read().catch((error: unknown) => {
      requireWanted(signal);
      throw error;
    });
    requireWanted(signal);
    const bounds = { timeoutMs, maxResidentBytes: MAX_MEMORY_MB * 1_048_576 };
    const answer = await runProcess({ kind, bytes, maxTextBytes, bounds }, running, signal);
    if ('text' in answer) return answer;
    requireWanted(signal);
    throw refused(answer);
  }

  return {
    async extract(file, signal) {
      const kind = kindOf(file);
      if (kind === undefined) throw new AcervoError('extraction:unsupported');
      if (file.size_bytes > maxBytes)
        throw new AcervoError('extraction:too_costly', { detail: `more than ${maxBytes} bytes` });
      if (slots.pendingCount >= MAX_WAITING) throw overloaded();
      return slots(() => read(kind, file, signal));
    },
    close() {
      closed = true;
      for (const child of running) child.kill('SIGKILL');
    },
  };
}

const overloaded = (cause?: unknown) =>
  new AcervoError('request:overloaded', { retryAfterSeconds: RETRY_AFTER_SECONDS, cause });

const refused = ({ code, detail, cause }: Refusal) =>
  new AcervoError(code, detail === undefined ? { cause } : { detail, cause });

/** One file, one process: what a library leaves behind in it, or breaks, ends with it. It starts in about 50 ms. */
function runProcess(task: Task, running: Set<ChildProcess>, signal: AbortSignal | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = fork(WORKER_PATH, [], {
      serialization: 'advanced',
      // No secrets of ours, and nothing printed: libraries and V8 write what the file makes them write.
      env: {},
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [`--max-old-space-size=${MAX_MEMORY_MB}`],
      killSignal: 'SIGKILL',
      ...(signal && { signal }),
    });
    running.add(child);
    let answer: Answer | undefined;
    const endWith = (last: Answer) => {
      answer ??= last;
      child.kill('SIGKILL');
    };
    const { timeoutMs } = task.bounds;
    const timer = setTimeout(() => endWith(tooCostly(`more than ${timeoutMs} ms`)), timeoutMs);
    const forget = () => {
      clearTimeout(timer);
      running.delete(child);
    };
    child.once('message', (message) => endWith(message as Answer));
    child.once('exit', (exitCode, killedBy) => {
      forget();
      resolve(answer ?? endedWithoutAnswer(exitCode, killedBy));
    });
    child.on('error', (error) => {
      // Also said when the signal aborts; then the end of the process follows.
      if (child.pid !== undefined) return;
      forget();
      reject(overloaded(error));
    });
    // It may end before it has read all; how it ended says why.
    child.send(task, () => {});
  });
}

const tooCostly = (detail: string, cause?: string): Refusal => ({ code: 'extraction:too_costly', detail, cause });

/** Who kills: the watchdog by SIGKILL, V8 itself by SIGABRT or SIGTRAP, the system when it has no memory left. */
function endedWithoutAnswer(exitCode: number | null, killedBy: NodeJS.Signals | null): Refusal {
  if (killedBy !== null) return tooCostly('more memory than is allowed', killedBy);
  return { code: 'extraction:failed', detail: undefined, cause: `exit code ${exitCode}` };
}
