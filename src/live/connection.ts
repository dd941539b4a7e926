import type { WebSocket } from 'ws';
import type { Context } from '../context.js';
import { AcervoError } from '../errors/error.js';
import { checked } from '../http/input.js';
import { parseJson } from '../http/json.js';
import { HEARTBEAT_SECONDS, MAX_SUBSCRIPTIONS } from './bounds.js';
import { CONNECTION, type ConnectionEvent, type ConnectionState } from './machine.js';
import { Outbox } from './outbox.js';
import { clientMessageSchema, type Subscribe } from './schemas.js';
import { errorFacts, Subscription } from './subscription.js';

const KEY_WITHIN_MS = 5_000;
/** Heartbeats without an answer to their pings before the peer counts as gone. */
const MAX_UNANSWERED = 4;

/** Close codes; 1001 (the server stops) and 1013 (try again later) are those of everybody. */
const CLOSE = { key: 4401, late: 4408, unexpected: 4400, stopping: 1001, full: 1013 } as const;

/** Finds out who asks by a key. @throws AcervoError as GET /v1/live would answer */
export type Admit = (key: string) => Promise<Context>;

/** One socket: who it is, what it follows. Its states are those of docs/live.md. */
export class Connection {
  readonly #socket: WebSocket;
  readonly #admit: Admit;
  readonly #stopping: AbortSignal;
  readonly #outbox: Outbox;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Those whose run is under way. They count also when they have ended: a query of theirs may go on. */
  readonly #running = new Set<Subscription>();
  readonly #timers: NodeJS.Timeout[] = [];
  #state: ConnectionState = 'connecting';
  #ctx: Context | undefined;
  /** What came while the key is being looked at. A paused socket still gives the messages of the bytes it has read. */
  #held: (Buffer | undefined)[] | undefined;
  #unwatch = () => {};
  #unanswered = 0;

  /** @param ctx of the key that came with the upgrade; without it the first message brings one */
  constructor(
    socket: WebSocket,
    { admit, ctx, stopping }: { admit: Admit; ctx: Context | undefined; stopping: AbortSignal },
  ) {
    this.#socket = socket;
    this.#admit = admit;
    this.#stopping = stopping;
    this.#outbox = new Outbox(socket);
    socket.on('message', (data, isBinary) => this.#read(isBinary ? undefined : (data as Buffer)));
    socket.on('pong', () => {
      this.#unanswered = 0;
    });
    socket.on('close', () => this.#step('gone'));
    socket.on('error', () => socket.terminate());
    this.#timers.push(setTimeout(() => this.#step('late'), KEY_WITHIN_MS));
    this.#timers.push(setInterval(() => this.#beat(), HEARTBEAT_SECONDS * 1000));
    this.#stopping.addEventListener('abort', this.#stop);
    if (ctx !== undefined) this.#accept(ctx);
  }

  readonly #stop = () => this.#step('shutdown');

  /** Steps on as the table has it, and says what it has: `facts` is what an error tells. */
  #step(
    event: ConnectionEvent,
    facts: { code: string; message: string } = errorFacts(new AcervoError('auth:missing')),
  ) {
    const cell = CONNECTION[event][this.#state];
    if (cell === undefined) return;
    const before = this.#state;
    const [next, says] = cell;
    this.#state = next;
    if (says === 'heartbeat') this.#sayHeartbeat();
    else if (says === 'authenticated')
      this.#say({ type: says, heartbeat_seconds: HEARTBEAT_SECONDS, max_subscriptions: MAX_SUBSCRIPTIONS });
    else if (says === 'error') this.#say({ type: says, ...facts });
    else if (says !== undefined) this.#say({ type: says });
    if (next === 'closed' && before !== 'closed') this.#close(closeCodeOf(event, facts.code), event);
  }

  #say(message: Record<string, unknown>): void {
    this.#outbox.send(JSON.stringify(message));
  }

  #close(code: number, reason: string): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#stopping.removeEventListener('abort', this.#stop);
    this.#unwatch();
    for (const subscription of this.#subscriptions.values()) subscription.end();
    this.#subscriptions.clear();
    this.#socket.close(code, reason);
  }

  #accept(ctx: Context): void {
    this.#ctx = ctx;
    this.#unwatch = ctx.live.keys.watch(ctx.principal.key_id, () => this.#step('revoked'));
    this.#step('accepted');
    if (this.#state === 'closed') this.#unwatch();
  }

  async #authenticate(key: string): Promise<void> {
    this.#step('authenticate', { code: 'request:invalid', message: 'This socket has its key already.' });
    if (this.#state !== 'connecting') return;
    // A second key while the first is being looked at would be a second answer.
    const held: (Buffer | undefined)[] = [];
    this.#held = held;
    this.#socket.pause();
    try {
      this.#accept(await this.#admit(key));
    } catch (error) {
      this.#step('refused', errorFacts(error));
    } finally {
      this.#held = undefined;
      this.#socket.resume();
    }
    for (const data of held) this.#read(data);
  }

  #read(data: Buffer | undefined): void {
    if (this.#held !== undefined) return void this.#held.push(data);
    try {
      if (data === undefined) throw new AcervoError('request:invalid', { detail: 'Messages are text.' });
      const message = checked(clientMessageSchema, parseJson(data));
      if (message.type === 'authenticate') return void this.#authenticate(message.key);
      this.#step(message.type);
      if (this.#state !== 'authenticated') return;
      if (message.type === 'subscribe') this.#subscribe(message);
      if (message.type === 'unsubscribe') this.#unsubscribe(message.subscription);
    } catch (error) {
      this.#step('malformed', errorFacts(error));
    }
    if (this.#outbox.full) this.#waitForReader();
  }

  /** Who does not read the answers is not listened to either; else they would pile up here. */
  #waitForReader(): void {
    this.#socket.pause();
    this.#outbox.room().then(
      () => this.#socket.resume(),
      () => this.#socket.terminate(),
    );
  }

  #subscribe(asked: Subscribe): void {
    if (this.#ctx === undefined) return;
    if (this.#subscriptions.has(asked.subscription))
      throw new AcervoError('request:invalid', { detail: `There is a subscription ${asked.subscription} already.` });
    try {
      const counted = new Set([...this.#subscriptions.values(), ...this.#running]);
      if (counted.size >= MAX_SUBSCRIPTIONS) throw new AcervoError('live:too_many_subscriptions');
      const subscription = new Subscription(this.#ctx, this.#outbox, asked);
      this.#subscriptions.set(asked.subscription, subscription);
      subscription.signal.addEventListener('abort', () => this.#subscriptions.delete(asked.subscription));
      this.#running.add(subscription);
      void subscription.run().then(() => this.#running.delete(subscription));
    } catch (error) {
      this.#say({ type: 'error', subscription: asked.subscription, ...errorFacts(error) });
    }
  }

  #unsubscribe(name: string): void {
    const subscription = this.#subscriptions.get(name);
    if (subscription === undefined) this.#say({ type: 'unsubscribed', subscription: name });
    else subscription.unsubscribe();
  }

  #beat(): void {
    this.#unanswered += 1;
    if (this.#unanswered > MAX_UNANSWERED) this.#socket.terminate();
    else this.#socket.ping();
    if (!this.#outbox.full) this.#step('beat');
  }

  /** Live subscriptions have the same cursor nearly always. */
  #sayHeartbeat(): void {
    const byCursor = new Map<string, string[]>();
    for (const { name, isLive, cursor } of this.#subscriptions.values())
      if (isLive && cursor !== undefined) byCursor.set(cursor, [...(byCursor.get(cursor) ?? []), name]);
    if (byCursor.size === 0) this.#say({ type: 'heartbeat', subscriptions: [] });
    for (const [cursor, subscriptions] of byCursor) this.#say({ type: 'heartbeat', cursor, subscriptions });
  }
}

function closeCodeOf(event: ConnectionEvent, code: string): number {
  if (event === 'refused' && code === 'request:overloaded') return CLOSE.full;
  if (event === 'shutdown' || event === 'gone') return CLOSE.stopping;
  if (event === 'refused' || event === 'revoked') return CLOSE.key;
  return event === 'late' ? CLOSE.late : CLOSE.unexpected;
}
