import { parentPort } from 'node:worker_threads';
import type { Answer, Call } from './messages.js';
import { Replicas } from './replicas.js';

/**
 * The thread: messages in, answers out, one after the other. While nobody asks, it works off in small slices what can wait.
 */
const port = parentPort;
if (port === null) throw new Error('runs as a worker thread only');

const replicas = new Replicas();
let idle: NodeJS.Immediate | undefined;

function settleWhenIdle(): void {
  idle ??= setImmediate(() => {
    idle = undefined;
    if (replicas.settle()) settleWhenIdle();
  });
}

async function answer(call: Call): Promise<unknown> {
  switch (call.name) {
    case 'open':
      return replicas.open(call.request);
    case 'apply':
      return replicas.apply(call.request);
    case 'search':
      return replicas.search(call.request);
    case 'save':
      return replicas.save(call.request);
    case 'measure':
      return replicas.measure();
  }
}

async function answered(call: Call): Promise<Answer> {
  try {
    return { id: call.id, answer: await answer(call) };
  } catch (error) {
    return { id: call.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

let turn = Promise.resolve();

port.on('message', (call: Call | 'stop') => {
  if (call === 'stop') {
    turn = turn.then(() => {
      port.close();
      if (idle !== undefined) clearImmediate(idle);
    });
    return;
  }
  // One after the other: a snapshot that is being written must not change.
  turn = turn.then(async () => {
    port.postMessage(await answered(call));
    if (call.name === 'apply') settleWhenIdle();
  });
});
