// Makes the buckets of the object store what the configuration and lifecycle.xml say, and prints what it changes. Run by
// `npm run init`, after a build. Ends with 1 when something could not be done.
import { existsSync } from 'node:fs';
import { readConfig } from '../dist/config.js';
import { lineOf } from '../dist/objects/admin.js';
import { openAdmin } from '../dist/objects/open.js';

async function init() {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { admin } = await openAdmin(readConfig());
  const changes = await admin.plan();
  for (const change of changes) console.log(lineOf(change));
  const refused = await admin.apply(changes);
  for (const limit of admin.limits()) console.log(`not done: ${limit}`);
  for (const line of refused) console.error(line);
  if (changes.length === 0) console.log('nothing to change');
  return refused.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await init();
} catch (error) {
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  console.error(`The buckets could not be set up. ${error.message}${cause}`);
  process.exitCode = 1;
}
