// The same statements without the product: an SDK connection of our own, as a caller of SurrealDB would have.
import { createNodeEngines } from '@surrealdb/node';
import { createRemoteEngines, Surreal } from 'surrealdb';
import WebSocket from 'ws';

/**
 * @param {{url: string, username?: string, password?: string, namespace: string, database: string}} settings
 * @returns `run` sends the statements of each leg one after the other and the legs side by side, as the product does;
 *   `isCompacting` asks a server whether it still takes new vectors into their index
 */
export async function openStraight({ url, username, password, namespace, database }) {
  const isServer = url.startsWith('ws');
  const client = new Surreal(
    isServer ? { engines: createRemoteEngines(), websocketImpl: WebSocket } : { engines: createNodeEngines() },
  );
  await client.connect(isServer ? `${url}/rpc` : url, isServer ? { authentication: { username, password } } : {});
  await client.use({ namespace, database });
  const runLeg = async (statements) => {
    for (const { text, params } of statements) await client.query(text, params);
  };
  const run = (statements) =>
    Promise.all(['vector', 'text'].map((leg) => runLeg(statements.filter((statement) => statement.leg === leg))));
  const isCompacting = async () => {
    const [{ tables }] = await client.query('INFO FOR DB');
    const table = Object.keys(tables).find((name) => name.startsWith('vectors_'));
    const [{ building }] = await client.query(`INFO FOR INDEX embedding_knn ON ${table}`);
    return building?.compacting === true;
  };
  return { run, isCompacting, close: () => client.close() };
}
