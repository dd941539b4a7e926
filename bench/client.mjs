import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';

/** HTTP without `fetch`, whose own cost would be a part of every ratio. */
export function clientOf(port, key) {
  const agent = new Agent({ keepAlive: true });
  const open = (method, path, contentType, body) => {
    const headers = { authorization: `Bearer ${key}`, ...(contentType && { 'content-type': contentType }) };
    const length = body ? { 'content-length': Buffer.byteLength(body) } : {};
    return request({ host: '127.0.0.1', port, agent, method, path, headers: { ...headers, ...length } });
  };
  const accepted = async (response, path) => {
    if (response.statusCode < 400) return response;
    throw new Error(`${path} answered ${response.statusCode}: ${(await text(response)).slice(0, 1000)}`);
  };
  const get = async (path) => {
    const [response] = await once(open('GET', path).end(), 'response');
    return text(await accepted(response, path));
  };
  /** Sends a search as it is and gives its answer as it came: what JSON costs the client is no part of a time. */
  const searchRaw = async (body) => {
    const sent = open('POST', '/v1/search', 'application/json', body).end(body);
    const [response] = await once(sent, 'response');
    return buffer(await accepted(response, '/v1/search'));
  };
  const search = async (query) => JSON.parse(await searchRaw(JSON.stringify(query)));
  const metrics = () => get('/metrics');
  const health = async () => JSON.parse(await get('/health'));
  /**
   * Stores documents through the bulk route, written as fast as it reads.
   * @param {Iterable<string> | AsyncIterable<string>} lines one document each, with the end of the line
   * @param {(line: number) => void | Promise<void>} onLine called as results come
   * @returns the number stored
   * @throws Error when a line was not stored
   */
  const bulk = async (lines, onLine = () => {}) => {
    const path = '/v1/knowledge/bulk';
    const sent = open('POST', path, 'application/x-ndjson');
    const written = pipeline(Readable.from(lines), sent);
    const read = async () => {
      const [response] = await once(sent, 'response');
      let stored = 0;
      for await (const line of createInterface({ input: await accepted(response, path) })) {
        const result = JSON.parse(line);
        if (result.status !== 'stored') throw new Error(`a document was not stored: ${line.slice(0, 1000)}`);
        stored += 1;
        await onLine(stored);
      }
      return stored;
    };
    // What the answer says matters more than the pipe that breaks when it comes early.
    const [stored, pipe] = await Promise.allSettled([read(), written]);
    if (stored.status === 'rejected') throw stored.reason;
    if (pipe.status === 'rejected') throw pipe.reason;
    return stored.value;
  };
  return { search, searchRaw, metrics, health, bulk, close: () => agent.destroy() };
}
