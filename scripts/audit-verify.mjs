// Looks whether the audit log is as it was sealed (docs/audit-seals.md). Run by `npm run audit:verify`, after a build.
// Ends with 0 when it is, 1 when it is not or could not be read.
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const USAGE = `npm run audit:verify -- [--from TIME] [--to TIME] [--anchor NUMBER:HASH]
npm run audit:verify -- --file rows.ndjson --seals seals.ndjson [--anchor NUMBER:HASH]
npm run audit:verify -- --proof FILE --root HEX
  --from, --to  only about this part of the log in the database
  --anchor      a seal that was published: the chain must still have it
  --file        rows as of GET /v1/audit?format=ndjson, and no database
  --seals       seals as of GET /v1/audit/seals?format=ndjson, exported before the rows
  --proof       a proof as of GET /v1/audit/{id}/proof
  --root        what was published: the root of its seal, or the hash of a seal in the proof`;
/** sysexits.h. */
const EX_USAGE = 64;
const EX_CONFIG = 78;
const PAGE = { maxRows: 100_000, maxSeals: 2_000 };

/** The embedded engine keeps the process alive even when it is closed. */
function end(code, text) {
  if (text !== undefined) console.error(text);
  process.exit(code);
}

function readArguments() {
  const text = { type: 'string' };
  try {
    const options = { from: text, to: text, anchor: text, file: text, seals: text, proof: text, root: text };
    const { values } = parseArgs({ options });
    if ((values.file === undefined) !== (values.seals === undefined)) throw new Error('Give --file and --seals.');
    if ((values.proof === undefined) !== (values.root === undefined)) throw new Error('Give --proof and --root.');
    if (values.anchor !== undefined && !/^\d+:[0-9a-fA-F]{64}$/.test(values.anchor))
      throw new Error('--anchor is NUMBER:HASH.');
    for (const time of [values.from, values.to])
      if (time !== undefined && Number.isNaN(Date.parse(time))) throw new Error(`${time} is no time.`);
    return values;
  } catch (error) {
    return end(EX_USAGE, `${error.message}\n${USAGE}`);
  }
}

/** Opened when they are read: an interface that waits loses lines. */
async function* linesOf(path) {
  yield* createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
}

async function checkProof({ proof, root }) {
  const { proofSchema } = await import('../dist/audit/seal/schemas.js');
  const { faultOfProof } = await import('../dist/audit/seal/verify-proof.js');
  const parsed = proofSchema.parse(JSON.parse(readFileSync(proof, 'utf8')));
  const fault = faultOfProof(parsed, root);
  console.log(fault === undefined ? `proven: ${parsed.row.id} is in seal ${parsed.seals[0].number}` : `no: ${fault}`);
  return fault === undefined;
}

/** Pages of the database, added up. */
async function verifyDatabase({ from, to, anchor }) {
  const { pino } = await import('pino');
  const { readConfig } = await import('../dist/config.js');
  const { openServices, withDefaultDatabase } = await import('../dist/services.js');
  const { verifyPage } = await import('../dist/audit/seal/verify.js');
  const { sealNumbered } = await import('../dist/audit/seal/chain.js');
  if (existsSync('.env')) process.loadEnvFile('.env');
  const config = withDefaultDatabase(readConfig());
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  const { services, close } = await openServices(config, log);
  const total = { seals: 0, rows: 0, late_rows: 0, unsealed_rows: 0 };
  const faults = [];
  let page = { next: undefined };
  try {
    do {
      page = await verifyPage(services.db, { from, to, position: page.next, ...PAGE });
      for (const name of Object.keys(total)) total[name] += page.report[name];
      faults.push(...page.report.faults);
    } while (page.next !== undefined && !page.report.truncated);
    const anchored = anchor && (await sealNumbered(services.db, Number(anchor.split(':')[0])))?.hash;
    return { ...total, faults, head: page.report.head, truncated: page.report.truncated, anchored };
  } finally {
    await close();
  }
}

async function verifyExports({ file, seals, anchor }) {
  const { verifyFiles } = await import('../dist/audit/seal/verify-files.js');
  let anchored;
  async function* watched() {
    for await (const line of linesOf(seals)) {
      if (anchor?.startsWith(`${/"number":(\d+)/.exec(line)?.[1]}:`)) anchored = JSON.parse(line).hash;
      yield line;
    }
  }
  return { ...(await verifyFiles(linesOf(file), watched())), anchored };
}

function print({ faults, truncated, seals, rows, late_rows, unsealed_rows, head }) {
  for (const { kind, seal, row } of faults)
    console.log(`${kind}${seal === undefined ? '' : ` seal ${seal}`}${row === undefined ? '' : ` row ${row}`}`);
  if (truncated) console.log('… and more');
  console.log(`${seals} seals, ${rows} rows, ${late_rows} of them late, ${unsealed_rows} not sealed yet`);
  if (head !== undefined) console.log(`newest seal ${head.number}:${head.hash}`);
}

async function main(values) {
  if (values.proof !== undefined) return checkProof(values);
  const report = values.file === undefined ? await verifyDatabase(values) : await verifyExports(values);
  print(report);
  const anchor = values.anchor?.split(':')[1].toLowerCase();
  if (anchor !== undefined && report.anchored !== anchor) {
    console.log(`the chain has no seal ${values.anchor}`);
    return false;
  }
  return report.faults.length === 0;
}

try {
  end((await main(readArguments())) ? 0 : 1);
} catch (error) {
  if (error.name === 'ConfigError') end(EX_CONFIG, error.message);
  const isInUse = error.constructor.name === 'DataDirectoryError';
  const hint = isInUse ? '\nWhile a server runs on this directory, ask the server: GET /v1/audit/verify.' : '';
  end(1, `The log could not be verified. ${error.message.replaceAll(/\/\/[^@/\s]*@/g, '//')}${hint}`);
}
