import type { Change } from '../live/change.js';

/** One delivery: what is sent, and what it is about. */
export interface HookEvent {
  /** The same however often it is sent: for a change the id of its row in the audit log. */
  id: string;
  type: string;
  /** Deliveries about one resource go out one after the other. */
  resource: string;
  /** When what it tells of happened. */
  timestamp: string;
  body: string;
}

const VERBS = { CREATE: 'created', UPDATE: 'updated', DELETE: 'deleted' } as const;

/** Every type of event that a hook may bring, but for the test. */
export const typeOf = ({ kind, action }: Pick<Change, 'kind' | 'action'>): string => `${kind}.${VERBS[action]}`;

/** A change as a hook brings it: an invalidation, without columns. The shape of Standard Webhooks, section "Payload". */
export function eventOf(change: Change): HookEvent {
  const { id, resource, timestamp } = change;
  const type = typeOf(change);
  const data = { ...change, columns: undefined };
  return { id, type, resource, timestamp, body: JSON.stringify({ type, timestamp, data }) };
}

export const TEST_TYPE = 'hook.test';

/** What POST /v1/hooks/{id}/test sends. */
export function testEvent(id: string, hookId: string, now: Date): HookEvent {
  const timestamp = now.toISOString();
  const resource = `hook:${hookId}`;
  const body = JSON.stringify({ type: TEST_TYPE, timestamp, data: { id, resource, timestamp } });
  return { id, type: TEST_TYPE, resource, timestamp, body };
}
