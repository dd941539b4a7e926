// LanceDB as one of those that are measured: in process, in a child process of its own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Its ranks begin at 0, and each leg gives it no more than the hits that are wanted. */
const RRF = { k: 59, depth: 10 };

/** Installed by `npm ci --prefix bench`; the bench goes without it, too. */
export const hasLancedb = () => existsSync(fileOf('node_modules/@lancedb/lancedb'));

/** @param shape of `makeCorpus`: it makes the same collection for itself */
export async function startLancedb(shape) {
  const child = fork(fileOf('lancedb-process.mjs'), { env: { ...process.env, LANCEDB_LOG: 'error' } });
  const waiting = new Map();
  let calls = 0;
  child.on('message', ({ id, answer, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(answer);
    else reject(new Error(`LanceDB: ${error}`));
  });
  child.on('exit', (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`LanceDB's process ended with ${code}`));
  });
  const call = (name, request = {}) =>
    new Promise((resolve, reject) => {
      calls += 1;
      waiting.set(calls, { resolve, reject });
      child.send({ id: calls, name, request });
    });

  /** By modulus of the filter; set by the tuning. */
  const settings = new Map();
  const askedOf = ({ mode, filter, ...rest }) => ({
    mode,
    modulus: filter.modulus,
    settings: rest.settings ?? settings.get(filter.modulus) ?? {},
  });
  return {
    name: 'LanceDB',
    rrf: RRF,
    settings,
    shape,
    call,
    ask: async (query, wanted) => ({ ids: await call('ask', { query, ...askedOf(wanted) }), from: [] }),
    loop: ({ clients, seconds, first, ...wanted }) => call('loop', { clients, seconds, first, ...askedOf(wanted) }),
    loopWhileAdding: ({ clients, seconds, first, ...wanted }, arriving) =>
      call('loopWhileAdding', { clients, seconds, first, ...askedOf(wanted), ...arriving }),
    add: (from, to) => call('add', { from, to }),
    residentBytes: () => call('residentBytes'),
    stop: async () => {
      if (child.exitCode !== null || !child.connected) return;
      child.disconnect();
      await once(child, 'exit');
    },
  };
}
