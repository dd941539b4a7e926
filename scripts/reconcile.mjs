// Looks whether database and object store agree, and makes them agree. Run by `npm run reconcile -- --dry-run`, after a
// build. Ends with 0 when nothing is left to do, 2 when something is.
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { ConfigError, readConfig } from '../dist/config.js';
import { reconcile } from '../dist/reconcile/reconcile.js';
import { openServices, withDefaultDatabase } from '../dist/services.js';
import { DataDirectoryError } from '../dist/surreal/connection.js';

const USAGE = `npm run reconcile -- [--dry-run | --apply] [--checksums] [--resume]
  --dry-run    only look, which is the default
  --apply      settle what is found
  --checksums  read objects back and compare their SHA-256
  --resume     go on where a run of the same kind was broken off`;
/** sysexits.h. */
const EX_USAGE = 64;
const EX_CONFIG = 78;

/** The embedded engine keeps the process alive even when it is closed. */
function end(code, text) {
  if (text !== undefined) console.error(text);
  process.exit(code);
}

function readArguments() {
  const flag = { type: 'boolean', default: false };
  try {
    const { values } = parseArgs({ options: { 'dry-run': flag, apply: flag, checksums: flag, resume: flag } });
    if (values.apply && values['dry-run']) throw new Error('Give --dry-run or --apply, not both.');
    return values;
  } catch (error) {
    return end(EX_USAGE, `${error.message}\n${USAGE}`);
  }
}

/** One line, whatever somebody has put into a key. */
const oneLine = (text) =>
  text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (found) => `\\u{${found.codePointAt(0).toString(16)}}`);

function print({ findings, truncated, counts, reported, left, ...seen }) {
  for (const { kind, bucket, key, artifact_id = '-', detail, settled } of findings)
    console.log(oneLine(`${kind} ${bucket}/${key} ${artifact_id} ${detail}${settled ? ' (settled)' : ''}`));
  if (truncated) console.log('… and more');
  for (const [kind, { found, settled }] of Object.entries(counts))
    console.log(`${kind}: ${found} found, ${settled} settled`);
  console.log(`${seen.objects_seen} objects, ${seen.pointers_seen} pointers, ${seen.objects_digested} read back`);
  console.log(`${left} left to do, ${reported} only reported`);
}

async function main({ apply, checksums, resume }) {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const config = withDefaultDatabase(readConfig());
  const log = pino({ level: config.logLevel }, pino.destination({ dest: 2, sync: true }));
  const { services, close } = await openServices(config, log);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort(new Error(`Ended by ${signal}.`)));
  try {
    const report = await reconcile(services, { apply, checksums, resume, signal: stop.signal });
    print(report);
    return report.left === 0 ? 0 : 2;
  } finally {
    await close();
  }
}

try {
  end(await main(readArguments()));
} catch (error) {
  if (error instanceof ConfigError) end(EX_CONFIG, error.message);
  const isInUse = error instanceof DataDirectoryError;
  const hint = isInUse ? '\nWhile a server runs on this directory, ask the server: POST /v1/reconcile.' : '';
  end(1, `Reconcile was broken off. ${error.message.replaceAll(/\/\/[^@/\s]*@/g, '//')}${hint}`);
}
