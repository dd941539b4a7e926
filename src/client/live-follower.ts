import { AcervoClientError } from './error.js';
import type { Change, LiveRequest, ServerMessage } from './live-messages.js';

/** Ids remembered to know repeats by: those of 15 s, at 6 000 changes a second. */
const MAX_REMEMBERED = 100_000;
const RETRY_MS = 1_000;

export interface LiveHandlers {
  /** A page of what matches now. A snapshot that was broken off begins anew: `onSnapshotBegin` comes again. */
  onSnapshot?(kind: Change['kind'], items: Record<string, unknown>[]): void;
  onSnapshotBegin?(): void;
  onSnapshotEnd?(): void;
  /** All that there was has been given; also after each reconnect. */
  onLive?(): void;
  /** The end: the key is revoked, or the server refuses what is asked for. */
  onError?(error: AcervoClientError): void;
}

export interface LiveSubscription {
  /** Of what has been given: keep it to resume in another process. Undefined before the first answer. */
  readonly cursor: string | undefined;
  close(): void;
}

type Handlers = LiveHandlers & { onChange(change: Change): void };
type Own = Extract<ServerMessage, { subscription?: string }>;

/** Remembers the newest ids. */
export class SeenIds {
  readonly #ids = new Set<string>();
  constructor(private readonly max = MAX_REMEMBERED) {}

  /** @returns false when the id is known */
  add(id: string): boolean {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > this.max && oldest !== undefined) this.#ids.delete(oldest);
    return true;
  }
}

/** One subscription over all the connections that it outlives. */
export class LiveFollower implements LiveSubscription {
  readonly #name: string;
  readonly #request: LiveRequest;
  readonly #handlers: Handlers;
  readonly #send: (message: object) => void;
  readonly #seen = new SeenIds();
  /** Given of the changes; what a snapshot has not finished is not resumed by it. */
  #cursor: string | undefined;
  #wantsSnapshot: boolean;
  #ended = false;
  onEnded: () => void = () => {};

  constructor(name: string, request: LiveRequest, handlers: Handlers, send: (message: object) => void) {
    this.#name = name;
    this.#request = request;
    this.#handlers = handlers;
    this.#send = send;
    this.#cursor = request.after;
    this.#wantsSnapshot = request.snapshot === true;
  }

  get cursor(): string | undefined {
    return this.#wantsSnapshot ? undefined : this.#cursor;
  }

  /** Asks the server, on a fresh connection or after the server has ended it. */
  begin(): void {
    if (this.#ended) return;
    const { after: _after, snapshot: _snapshot, ...asked } = this.#request;
    const after = this.cursor === undefined ? {} : { after: this.cursor };
    this.#send({ type: 'subscribe', subscription: this.#name, ...asked, snapshot: this.#wantsSnapshot, ...after });
    if (this.#wantsSnapshot) this.#handlers.onSnapshotBegin?.();
  }

  movedTo(cursor: string): void {
    this.#cursor = cursor;
  }

  read(message: Own): void {
    if (this.#ended) return;
    if ('cursor' in message && message.cursor !== undefined && message.type !== 'change') this.#cursor = message.cursor;
    switch (message.type) {
      case 'snapshot':
        this.#handlers.onSnapshot?.(message.kind, message.items);
        break;
      case 'snapshot_end':
        this.#wantsSnapshot = false;
        this.#handlers.onSnapshotEnd?.();
        break;
      case 'change':
        if (this.#seen.add(message.change.id)) this.#handlers.onChange(message.change);
        this.#cursor = message.cursor;
        break;
      case 'live':
        this.#handlers.onLive?.();
        break;
      case 'overflow':
        this.begin();
        break;
      case 'error':
        this.#refused(message);
    }
  }

  #refused({ code, message }: { code: string; message: string }): void {
    if (/^(database|internal|request:(overloaded|timeout))/.test(code)) setTimeout(() => this.begin(), RETRY_MS);
    else if (code === 'cursor:expired' && this.#request.snapshot === true) {
      this.#wantsSnapshot = true;
      this.begin();
    } else this.fail(new AcervoClientError(message, { code }));
  }

  fail(error: AcervoClientError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnded();
    this.#handlers.onError?.(error);
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnded();
    this.#send({ type: 'unsubscribe', subscription: this.#name });
  }
}
