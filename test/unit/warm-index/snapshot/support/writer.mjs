// A process of its own that works on snapshots. Arguments: the compiled modules, the directory, and what to do:
// `loop` writes until it is killed and prints the round of each snapshot that is written; `write` writes one and prints
// `written` or the code of the error; `read` prints the cursor of what it reads, or why it was refused.
import { writeFileSync } from 'node:fs';

const [modules, dir, task] = process.argv.slice(2);
const { writeSnapshot } = await import(`${modules}/snapshot/write.js`);
const { readSnapshot } = await import(`${modules}/snapshot/read.js`);
const identity = { space: 'a' };

/** Content that says of which round it is. */
function write(round) {
  const parts = { numbers: { many: new Uint32Array(500_000).fill(round), few: new Uint8Array(3).fill(round) } };
  const graph = { name: 'graph', write: (path) => writeFileSync(path, Buffer.alloc(700_000, round)) };
  writeSnapshot(dir, { identity, cursor: String(round), anchor: '', counts: {}, parts, files: [graph] });
}

function attempt(round) {
  try {
    write(round);
    return 'written';
  } catch (error) {
    return error.code;
  }
}

function read() {
  const found = readSnapshot(dir, identity);
  return found?.refused ?? found?.manifest.cursor ?? 'none';
}

if (task === 'read') process.stdout.write(read());
if (task === 'write') process.stdout.write(attempt(1));
for (let round = Number(read()) + 1 || 1; task === 'loop'; round += 1) {
  write(round);
  process.stdout.write(`${round}\n`);
}
