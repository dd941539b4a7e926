/** A change as the server tells it: an invalidation; fetch the resource for its content. docs/live.md has the protocol. */
export interface Change {
  id: string;
  resource: string;
  kind: 'knowledge' | 'artifact' | 'session' | 'decision';
  action: 'CREATE' | 'UPDATE' | 'DELETE';
  status: string;
  revision: number;
  agent_id?: string;
  timestamp: string;
  columns?: Record<string, unknown>;
  repeat?: true;
}

/** What the server says on a socket. */
export type ServerMessage =
  | { type: 'authenticated'; heartbeat_seconds: number; max_subscriptions: number }
  | { type: 'subscribed' | 'snapshot_end' | 'live'; subscription: string; cursor: string }
  | { type: 'snapshot'; subscription: string; kind: Change['kind']; items: Record<string, unknown>[] }
  | { type: 'change'; subscription: string; cursor: string; change: Change }
  | { type: 'heartbeat'; cursor?: string; subscriptions: string[] }
  | { type: 'overflow'; subscription: string; cursor?: string }
  | { type: 'unsubscribed'; subscription: string }
  | { type: 'error'; code: string; message: string; subscription?: string }
  | { type: 'revoked' };

/** What can be followed. */
export interface LiveRequest {
  kinds?: Change['kind'][];
  /** Such as `knowledge:ID`. */
  resource?: string;
  /** The filter of a search. */
  filter?: Record<string, unknown>;
  /** Send the columns that filters look at. */
  columns?: boolean;
  /** First all that matches now; then changes. */
  snapshot?: boolean;
  /** A cursor kept from earlier. */
  after?: string;
}
