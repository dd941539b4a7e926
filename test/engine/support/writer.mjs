// A process of its own that writes until it is killed: prints one line per acknowledged operation.
// Arguments: URL, database. Started by faults.test.ts on the built product.
import { randomUUID } from 'node:crypto';
import { connect } from '../../../dist/surreal/connection.js';
import { readQueries } from '../../../dist/surreal/query-files.js';
import { applySchema } from '../../../dist/surreal/schema.js';
import { SessionDatabase } from '../../../dist/surreal/session-database.js';

const [url, database, queries, values] = process.argv.slice(2);
const connection = await connect({ url, username: 'root', password: 'root', timeoutMs: 5_000 });
const options = {
  queries: new Map([...readQueries(JSON.parse(values)), ...Object.entries(JSON.parse(queries))]),
  vectorIndex: 'hnsw',
  timeoutMs: 20_000,
  operationTtlSeconds: 3600,
};
const open = async (name) => new SessionDatabase(connection, await connection.openSessions('test', name), options);
const control = await open(`${database}_control`);
const db = await open(database);
const applied = await applySchema(control, db, { scope: database, values: JSON.parse(values), holder: randomUUID() });
await db.run({ text: 'DEFINE TABLE IF NOT EXISTS counters', params: {} });
process.stdout.write(`applied ${applied.length}\n`);

const writer = async (name) => {
  for (;;) {
    const operation = randomUUID();
    await db.transact({
      query: 'test/increment',
      params: { id: name },
      operation: { id: operation, request_digest: '' },
      audit: { resource: `counter:${name}` },
    });
    process.stdout.write(`done ${operation}\n`);
  }
};
await Promise.all(['a', 'b', 'c', 'a'].map(writer));
