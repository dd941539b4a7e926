// npm run bench:files -- [--installations embedded,server] [--json FILE]
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findSurreal } from './product.mjs';
import { fixed, machine, table } from './report.mjs';
import { findMinio, install } from './uploads-installation.mjs';
import { hitRate, listByPointers, listByStore, presignTimes, storeMany } from './uploads-reads.mjs';
import { memoryOf, timeWays } from './uploads-send.mjs';

const LARGE_BYTES = 100_000_000;
const LARGE_ROUNDS = 5;
const SIZES_MB = [0.1, 1, 2, 5, 10, 20];
const ROUNDS = 9;
const ARTIFACTS = 1_000;
const ZIPF_ARTIFACTS = 200;
const ZIPF_REQUESTS = 4_000;

const { values } = parseArgs({
  options: { installations: { type: 'string', default: 'embedded,server' }, json: { type: 'string' } },
});
const binaries = { surreal: findSurreal(), minio: findMinio() };
const print = (markdown) => process.stdout.write(`${markdown}\n\n`);
const mebibytes = (bytes) => fixed(bytes / 2 ** 20, 0);

/** The same numbers in every run. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

async function measure(kind) {
  const installation = await install(kind, binaries);
  try {
    const memory = {};
    for (const way of ['through', 'signed', 'parts']) memory[way] = await memoryOf(installation, way, LARGE_BYTES);
    const product = await installation.start();
    try {
      const ways = ['through', 'signed', 'parts'];
      const large = await timeWays(product, ways, { size_bytes: LARGE_BYTES, rounds: LARGE_ROUNDS });
      const sizes = [];
      for (const mb of SIZES_MB)
        sizes.push({
          mb,
          ...(await timeWays(product, ['through', 'form', 'parts'], { size_bytes: mb * 1e6, rounds: ROUNDS })),
        });
      return { kind, memory, large, sizes, ...(await measureReads(product, installation.store)) };
    } finally {
      await product.stop();
    }
  } finally {
    await installation.stop();
  }
}

async function measureReads(product, store) {
  const ids = await storeMany(product, ARTIFACTS);
  const presign = await presignTimes(product, ids.slice(ZIPF_ARTIFACTS, 2 * ZIPF_ARTIFACTS));
  const hit_rate = await hitRate(product, ids.slice(0, ZIPF_ARTIFACTS), {
    ...{ requests: ZIPF_REQUESTS, random: seeded(1) },
  });
  const listing = { pointers: await listByPointers(product), store: store && (await listByStore(store)) };
  return { presign, hit_rate, listing };
}

function report({ kind, memory, large, sizes, presign, hit_rate, listing }) {
  const way = (name, says) => [
    says,
    fixed(large[name]),
    fixed(large[name] / large.through),
    mebibytes(memory[name].before),
    mebibytes(memory[name].peak),
    mebibytes(memory[name].peak - memory[name].before),
  ];
  const milliseconds = ({ p50, p95 }) => `${fixed(p50)} / ${fixed(p95)}`;
  const { pointers, store } = listing;
  return [
    `## ${kind === 'embedded' ? 'Embedded: database and objects in one directory' : 'Server: SurrealDB and MinIO'}`,
    '100 MB; resident memory of a fresh product after a small upload, and at most during this one:',
    table(
      ['way', 's', '/ through', 'MiB before', 'MiB peak', 'growth'],
      [
        way('through', 'one PUT through the server'),
        way('signed', 'one signed PUT'),
        way('parts', '4 parts at a time, signed'),
      ],
    ),
    'Seconds by size, and as ratios against one PUT through the server:',
    table(
      ['MB', 'through, s', 'signed (form POST on S3)', 'parts'],
      sizes.map(({ mb, through, form, parts }) => [
        ...[mb, fixed(through, 4), fixed(form / through), fixed(parts / through)],
      ]),
    ),
    table(
      ['reads', 'figure'],
      [
        ['GET …/url signed anew, p50 / p95, ms', milliseconds(presign.fresh)],
        ['GET …/url from the cache, p50 / p95, ms', milliseconds(presign.cached)],
        ['cached / anew, p50', fixed(presign.cached.p50 / presign.fresh.p50)],
        ['hit rate, Zipf over 200 artifacts, 5 % overwrites', `${fixed(100 * hit_rate, 1)} %`],
        [`filtered listing, ${pointers.found} of ${ARTIFACTS}: requests to the store`, pointers.requests],
        ['… seconds', fixed(pointers.seconds, 3)],
        ...(store === undefined
          ? []
          : [
              [`without pointers, of ${store.objects} objects: requests, sizes taken from the list`, store.requests],
              ['… requests, everything asked for', store.requests_all],
              ['… seconds', fixed(store.seconds, 3)],
            ]),
      ],
    ),
  ].join('\n\n');
}

const wanted = values.installations.split(',');
const result = { machine: machine(), installations: [] };
print(`# Bench of files\n\n\`${JSON.stringify(result.machine)}\``);
for (const kind of wanted) {
  if (kind === 'server' && !(binaries.surreal && binaries.minio)) {
    print('Server: skipped, no binaries (set SURREAL_BIN and MINIO_BIN, or put surreal and minio on PATH).');
    continue;
  }
  const measured = await measure(kind);
  result.installations.push(measured);
  print(report(measured));
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
