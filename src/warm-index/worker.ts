import { parentPort, workerData } from 'node:worker_threads';
import type { Answer, Call } from './messages.js';
import { Replicas } from './replicas.js';

/**
 * The thread: messages in, answers out, one after the other. While nobody asks, it works off in small slices what can wait.
 */
const port = parentPort;
if (port === null) throw new Error('runs as a worker thread only');

const { faultPoint } = workerData as { faultPoint: string | undefined };
const replicas = new Replicas(faultPoint);
let idle: NodeJS.Immediate | undefined;

function settleWhenIdle(): void {
  idle ??= setImmediate(() => {
    idle = undefined;
    if (replicas.settle()) settleWhenIdle();
  });
}

/** Each call is worked off at once; of a save only the writing comes later, by a thread of its own. */
function answer(call: Call): unknown {
  // The end of this thread alone: a test sees how the others go on without it.
  if (faultPoint === `warm-index:thread_${call.name}`) process.exit(1);
  switch (call.name) {
    case 'open':
      return replicas.open(call.request);
    case 'apply':
      return replicas.apply(call.request);
    case 'search':
      return replicas.search(call.request);
    case 'save':
      return replicas.save(call.request);
    case 'compact':
      return replicas.compact();
    case 'measure':
      return replicas.measure();
    case 'move_to_disk':
      return replicas.moveToDisk();
  }
}

async function answered(call: Call): Promise<Answer> {
  try {
    return { id: call.id, answer: await answer(call) };
  } catch (error) {
    return { id: call.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

port.on('message', (call: Call | 'stop') => {
  if (call === 'stop') {
    port.close();
    replicas.close();
    if (idle !== undefined) clearImmediate(idle);
    return;
  }
  answered(call).then((answer) => port.postMessage(answer));
  if (call.name !== 'search') settleWhenIdle();
});
