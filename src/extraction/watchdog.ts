/**
 * A thread beside the one that reads. It sees what V8's bound on its heap does not: buffers, such as a stream of a PDF
 * that unpacks to a thousand times its size. And it ends a process whose parent is gone.
 */
import { workerData } from 'node:worker_threads';
import type { Bounds } from './messages.js';

const INTERVAL_MS = 20;

const { timeoutMs, maxResidentBytes }: Bounds = workerData;
const end = () => process.kill(process.pid, 'SIGKILL');

// The parent ends it after `timeoutMs`, if there is one.
setTimeout(end, 2 * timeoutMs);
setInterval(() => {
  if (process.memoryUsage.rss() > maxResidentBytes) end();
}, INTERVAL_MS);
