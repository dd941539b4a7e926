/**
 * The states of a socket and of a subscription, as docs/live.md tells them: a test compares the two. A cell is the next
 * state and the message that goes out; what is not here cannot happen, and changes nothing.
 */
export type ConnectionState = 'connecting' | 'authenticated' | 'closed';
export type ConnectionEvent =
  | 'accepted'
  | 'refused'
  | 'late'
  | 'authenticate'
  | 'subscribe'
  | 'unsubscribe'
  | 'ping'
  | 'malformed'
  | 'beat'
  | 'revoked'
  | 'shutdown'
  | 'gone';
export type ConnectionSays = 'authenticated' | 'error' | 'heartbeat' | 'revoked' | undefined;

export type SubscriptionState = 'none' | 'snapshot' | 'catching_up' | 'live' | 'overflowed';
export type SubscriptionEvent =
  | 'subscribe'
  | 'subscribe_snapshot'
  | 'page'
  | 'scanned'
  | 'change'
  | 'caught_up'
  | 'full'
  | 'failed'
  | 'unsubscribe';
export type SubscriptionSays =
  | 'subscribed'
  | 'snapshot'
  | 'snapshot_end'
  | 'change'
  | 'live'
  | 'overflow'
  | 'unsubscribed'
  | 'error'
  | undefined;

type Cell<State, Says> = readonly [next: State, says: Says];
type Machine<State extends string, Event extends string, Says> = Readonly<
  Record<Event, Readonly<Partial<Record<State, Cell<State, Says>>>>>
>;

const toClosed: Cell<ConnectionState, undefined> = ['closed', undefined];
const refusing: Cell<ConnectionState, 'error'> = ['closed', 'error'];
const quiet: Cell<ConnectionState, undefined> = ['authenticated', undefined];
const complaining: Cell<ConnectionState, 'error'> = ['authenticated', 'error'];
const beating: Cell<ConnectionState, 'heartbeat'> = ['authenticated', 'heartbeat'];

export const CONNECTION: Machine<ConnectionState, ConnectionEvent, ConnectionSays> = {
  accepted: { connecting: ['authenticated', 'authenticated'], closed: toClosed },
  refused: { connecting: refusing, closed: toClosed },
  late: { connecting: refusing, authenticated: quiet, closed: toClosed },
  authenticate: { connecting: ['connecting', undefined], authenticated: complaining, closed: toClosed },
  subscribe: { connecting: refusing, authenticated: quiet, closed: toClosed },
  unsubscribe: { connecting: refusing, authenticated: quiet, closed: toClosed },
  ping: { connecting: refusing, authenticated: beating, closed: toClosed },
  malformed: { connecting: refusing, authenticated: complaining, closed: toClosed },
  beat: { connecting: ['connecting', undefined], authenticated: beating, closed: toClosed },
  revoked: { authenticated: ['closed', 'revoked'], closed: toClosed },
  shutdown: { connecting: toClosed, authenticated: ['closed', 'heartbeat'], closed: toClosed },
  gone: { connecting: toClosed, authenticated: toClosed, closed: toClosed },
};

const nothing: Cell<SubscriptionState, undefined> = ['none', undefined];
const stopped: Cell<SubscriptionState, undefined> = ['overflowed', undefined];
const taken = {
  snapshot: ['snapshot', 'error'],
  catching_up: ['catching_up', 'error'],
  live: ['live', 'error'],
} as const;
const following: Cell<SubscriptionState, 'subscribed'> = ['catching_up', 'subscribed'];
const scanning: Cell<SubscriptionState, 'subscribed'> = ['snapshot', 'subscribed'];
const overflow: Cell<SubscriptionState, 'overflow'> = ['overflowed', 'overflow'];
const failure: Cell<SubscriptionState, 'error'> = ['none', 'error'];
const ended: Cell<SubscriptionState, 'unsubscribed'> = ['none', 'unsubscribed'];

export const SUBSCRIPTION: Machine<SubscriptionState, SubscriptionEvent, SubscriptionSays> = {
  subscribe: { none: following, ...taken, overflowed: following },
  subscribe_snapshot: { none: scanning, ...taken, overflowed: scanning },
  page: { none: nothing, snapshot: ['snapshot', 'snapshot'], overflowed: stopped },
  scanned: { none: nothing, snapshot: ['catching_up', 'snapshot_end'], overflowed: stopped },
  change: { none: nothing, catching_up: ['catching_up', 'change'], live: ['live', 'change'], overflowed: stopped },
  caught_up: { none: nothing, catching_up: ['live', 'live'], overflowed: stopped },
  full: { none: nothing, snapshot: overflow, catching_up: overflow, live: overflow, overflowed: stopped },
  failed: { none: failure, snapshot: failure, catching_up: failure, live: failure, overflowed: stopped },
  unsubscribe: { none: ended, snapshot: ended, catching_up: ended, live: ended, overflowed: ended },
};
