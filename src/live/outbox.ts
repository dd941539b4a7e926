import type { WebSocket } from 'ws';
import { AcervoError } from '../errors/error.js';
import { LOW_UNREAD_BYTES, LOW_UNREAD_MESSAGES, MAX_UNREAD_BYTES, MAX_UNREAD_MESSAGES, PATIENCE_MS } from './bounds.js';

/** What is on its way to a client. */
export class Outbox {
  readonly #socket: WebSocket;
  #messages = 0;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.once('close', () => this.#release());
  }

  get full(): boolean {
    return this.#socket.bufferedAmount > MAX_UNREAD_BYTES || this.#messages > MAX_UNREAD_MESSAGES;
  }

  get #low(): boolean {
    const { bufferedAmount, readyState, OPEN } = this.#socket;
    return readyState !== OPEN || (bufferedAmount <= LOW_UNREAD_BYTES && this.#messages <= LOW_UNREAD_MESSAGES);
  }

  send(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#messages += 1;
    this.#socket.send(text, () => {
      this.#messages -= 1;
      if (this.#waiting.length > 0 && this.#low) this.#release();
    });
  }

  /**
   * Resolves when the client has read most of what was sent.
   * @throws AcervoError `request:timeout` when it does not
   */
  async room(): Promise<void> {
    if (this.#low) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new AcervoError('request:timeout')), PATIENCE_MS);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #release(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
