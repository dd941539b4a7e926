import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import type { Change } from './live.js';
import type { Answer, Product } from './product.js';

/** What a receiver was sent. */
export interface Delivery {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  event: { type: string; timestamp: string; data: Change };
  /** What it was answered with. */
  status: number;
}

export interface Reaction {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  afterMs?: number;
}

export interface Receiver {
  url: string;
  deliveries: Delivery[];
  /** The most requests that were being answered at one time, of one resource and of all. */
  busiest: { resource: number; all: number };
  /** From now on. */
  react(reaction: Reaction | ((delivery: Delivery) => Reaction)): void;
  /** Of what was taken: resources with revisions, in the order of arrival. */
  taken(prefix?: string): [resource: string, revision: number][];
  close(): Promise<void>;
}

/** A receiver of hooks on this machine, which answers 204 until it is told otherwise. */
export async function startReceiver(): Promise<Receiver> {
  let reactTo: (delivery: Delivery) => Reaction = () => ({});
  const deliveries: Delivery[] = [];
  const busiest = { resource: 0, all: 0 };
  const busy = new Map<string, number>();
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const bytes of request) text += String(bytes);
    const event = text === '' ? {} : JSON.parse(text);
    const delivery: Delivery = { path: request.url ?? '', headers: request.headers, text, event, status: 0 };
    const { status = 204, headers = {}, body, afterMs = 0 } = reactTo(delivery);
    delivery.status = status;
    deliveries.push(delivery);
    const resource = event.data?.resource ?? '';
    busy.set(resource, (busy.get(resource) ?? 0) + 1);
    busiest.resource = Math.max(busiest.resource, busy.get(resource) ?? 0);
    busiest.all = Math.max(
      busiest.all,
      [...busy.values()].reduce((a, b) => a + b, 0),
    );
    setTimeout(() => {
      busy.set(resource, (busy.get(resource) ?? 0) - 1);
      response.writeHead(status, headers).end(body);
    }, afterMs);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/receiver`,
    deliveries,
    busiest,
    react: (reaction) => {
      reactTo = typeof reaction === 'function' ? reaction : () => reaction;
    },
    taken: (prefix = '') =>
      deliveries
        .filter(({ status, event }) => status < 300 && event.data.resource.startsWith(`knowledge:${prefix}`))
        .map(({ event }) => [event.data.resource, event.data.revision]),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Hook {
  id: string;
  url: string;
  enabled: boolean;
  secret: string;
  previous_secret_until?: string;
  status: {
    state: string;
    disabled_reason?: string;
    disabled_at?: string;
    last_success_at?: string;
    last_failure_at?: string;
    consecutive_failures: number;
    next_attempt_at?: string;
    lag_seconds: number;
  };
  revision: number;
  [field: string]: unknown;
}

export interface Attempt {
  number: number;
  event_id: string;
  event_type: string;
  attempted_at: string;
  delivered: boolean;
  status_code?: number;
  error?: string;
  duration_ms: number;
}

/** The verbs of one product, with the key given or the admin's. */
export function hooksOf(product: Product, key: string = product.key) {
  const call = <Body>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    product.call<Body>(method, `/v1/hooks${path}`, body, { headers, key });
  const verbs = {
    create: (body: object, headers?: Record<string, string>): Promise<Answer<Hook>> => call('POST', '', body, headers),
    list: () => call<{ hooks: Hook[] }>('GET', ''),
    get: (id: string) => call<Hook>('GET', `/${id}`),
    patch: (id: string, body: object, headers?: Record<string, string>) => call<Hook>('PATCH', `/${id}`, body, headers),
    remove: (id: string, headers?: Record<string, string>) => call('DELETE', `/${id}`, undefined, headers),
    rotate: (id: string, body: object = {}) => call<Hook>('POST', `/${id}/rotate`, body),
    replay: (id: string, body: object) => call<Hook>('POST', `/${id}/replay`, body),
    test: (id: string) => call<Attempt>('POST', `/${id}/test`),
    attempts: async (id: string, query = '') => {
      const answer = await call<{ attempts: Attempt[] }>('GET', `/${id}/attempts${query}`);
      expect(answer.status, answer.text).toBe(200);
      return answer.body.attempts;
    },
    /** A hook that must be made. */
    made: async (body: object): Promise<Hook> => {
      const answer = await verbs.create(body);
      expect(answer.status, answer.text).toBe(201);
      return answer.body;
    },
    status: async (id: string) => (await verbs.get(id)).body.status,
  };
  return verbs;
}
