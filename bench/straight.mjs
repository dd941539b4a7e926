// The same statements without the product: an SDK connection of our own, as a caller of SurrealDB would have.
import { createNodeEngines } from '@surrealdb/node';
import { createRemoteEngines, Surreal } from 'surrealdb';
import WebSocket from 'ws';

/**
 * @param {{url: string, username?: string, password?: string, namespace: string, database: string}} settings
 * @returns {Promise<(statements: {leg: string, text: string, params: object}[]) => Promise<number>>} sends the
 *   statements of each leg one after the other and the legs side by side, as the product does; resolves to the rows
 */
export async function openStraight({ url, username, password, namespace, database }) {
  const isServer = url.startsWith('ws');
  const client = new Surreal(
    isServer ? { engines: createRemoteEngines(), websocketImpl: WebSocket } : { engines: createNodeEngines() },
  );
  await client.connect(isServer ? `${url}/rpc` : url, isServer ? { authentication: { username, password } } : {});
  await client.use({ namespace, database });
  const runLeg = async (statements) => {
    let rows = 0;
    for (const { text, params } of statements) {
      const results = await client.query(text, params);
      rows += results.at(-1)?.length ?? 0;
    }
    return rows;
  };
  return async (statements) => {
    const legs = ['vector', 'text'].map((leg) => runLeg(statements.filter((statement) => statement.leg === leg)));
    const [vector, text] = await Promise.all(legs);
    return vector + text;
  };
}
