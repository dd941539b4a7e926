// A connection of our own to the database server under the product.
import { createRemoteEngines, Surreal } from 'surrealdb';
import WebSocket from 'ws';

/**
 * @param {{url: string, username: string, password: string, namespace: string, database: string}} address
 * @returns `isCompacting` asks whether it still takes new vectors into their index
 */
export async function openDatabase({ url, username, password, namespace, database }) {
  const client = new Surreal({ engines: createRemoteEngines(), websocketImpl: WebSocket });
  await client.connect(`${url}/rpc`, { authentication: { username, password } });
  await client.use({ namespace, database });
  const isCompacting = async () => {
    const [{ tables }] = await client.query('INFO FOR DB');
    const table = Object.keys(tables).find((name) => name.startsWith('vectors_'));
    const [{ building }] = await client.query(`INFO FOR INDEX embedding_knn ON ${table}`);
    return building?.compacting === true;
  };
  return { isCompacting, close: () => client.close() };
}
