// A process of its own that writes until it is killed: prints one line per acknowledged operation.
// Argument: the root of a disk store. Started by disk.test.ts on the built product.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { parseBuckets } from '../../../dist/objects/buckets.js';
import { DiskStore } from '../../../dist/objects/disk/store.js';

const [root] = process.argv.slice(2);
const store = await DiskStore.open({
  root,
  buckets: parseBuckets('acervo').buckets,
  secret: Buffer.alloc(32),
  publicUrl: () => 'http://localhost',
  clock: () => new Date(),
});
process.stdout.write('open\n');

/** Content that says which one it is: the same letter all through. */
async function write(key, round) {
  const bytes = Buffer.alloc(200_000, 97 + (round % 26));
  const chunks = (function* () {
    for (let at = 0; at < bytes.length; at += 20_000) yield bytes.subarray(at, at + 20_000);
  })();
  const body = Readable.from(chunks, { objectMode: false });
  const { version_id } = await store.put({ bucket: 'acervo', key }, body, {
    size_bytes: bytes.length,
    content_type: 'text/plain',
  });
  const digest = createHash('sha256').update(bytes).digest('hex');
  process.stdout.write(`${JSON.stringify({ key, version_id, digest })}\n`);
}

await Promise.all(
  ['a', 'a/b', 'c'].map(async (key) => {
    for (let round = 0; ; round++) {
      await write(key, round);
      const versions = await store.versions({ bucket: 'acervo', key });
      if (versions.length < 4) continue;
      const { version_id } = versions.at(-1);
      process.stdout.write(`${JSON.stringify({ key, deleting: version_id })}\n`);
      await store.delete({ bucket: 'acervo', key, version_id });
    }
  }),
);
