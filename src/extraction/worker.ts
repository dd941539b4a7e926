/**
 * The process that reads one file and ends. It is a process and no thread: when memory runs out within native code
 * (decoding, JSON) V8 ends the whole process, which `resourceLimits` of a thread do not prevent.
 */
import { Worker } from 'node:worker_threads';
import { isAcervoError } from '../errors/error.js';
import type { Answer, Task } from './messages.js';
import { readFile } from './read.js';

// Sent to a whole group of processes: the one that asked decides how long it still waits for us.
process.on('SIGTERM', () => {}).on('SIGINT', () => {});

process.once('message', (task: Task) => {
  new Worker(new URL('./watchdog.js', import.meta.url), { workerData: task.bounds }).unref();
  void answerTo(task).then((answer) => process.send?.(answer));
});

async function answerTo({ kind, bytes, maxTextBytes }: Task): Promise<Answer> {
  try {
    return await readFile(kind, bytes, maxTextBytes);
  } catch (error) {
    if (!isAcervoError(error)) return { code: 'extraction:failed', detail: undefined, cause: String(error) };
    return {
      code: error.code,
      detail: error.detail,
      cause: error.cause === undefined ? undefined : String(error.cause),
    };
  }
}
