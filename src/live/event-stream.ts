import { LOW_UNREAD_BYTES, MAX_UNREAD_BYTES } from './bounds.js';

export interface ServerEvent {
  event?: string;
  /** The cursor; a reader that reconnects sends it as Last-Event-ID. */
  id?: string;
  data?: string;
  comment?: string;
}

/** One event as the HTML standard's section on server-sent events writes it; data of several lines is cut at them. */
export function eventText({ event, id, data, comment }: ServerEvent): string {
  const lines = [
    ...(comment === undefined ? [] : [`: ${comment}`]),
    ...(event === undefined ? [] : [`event: ${event}`]),
    ...(id === undefined ? [] : [`id: ${id}`]),
    ...(data === undefined ? [] : data.split(/\r\n|\r|\n/).map((line) => `data: ${line}`)),
  ];
  return `${lines.join('\n')}\n\n`;
}

/** A bounded queue of events that a response's body reads. */
export class EventStream {
  readonly #encoder = new TextEncoder();
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #readerWaits: (() => void) | undefined;
  #writerWaits: (() => void)[] = [];
  readonly body: ReadableStream<Uint8Array>;

  /** @param onLeft called when the reader has gone */
  constructor(onLeft: () => void) {
    this.body = new ReadableStream(
      {
        pull: async (controller) => {
          if (this.#chunks.length === 0 && !this.#ended)
            await new Promise<void>((resolve) => {
              this.#readerWaits = resolve;
            });
          const chunk = this.#taken();
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        },
        cancel: () => {
          this.end();
          onLeft();
        },
      },
      { highWaterMark: 0 },
    );
  }

  get full(): boolean {
    return this.#bytes > MAX_UNREAD_BYTES;
  }

  write(event: ServerEvent): void {
    if (this.#ended) return;
    const chunk = this.#encoder.encode(eventText(event));
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    this.#readerWaits?.();
  }

  /** Resolves when the reader has taken most of what was written. */
  async room(): Promise<void> {
    if (this.#bytes <= LOW_UNREAD_BYTES || this.#ended) return;
    await new Promise<void>((resolve) => this.#writerWaits.push(resolve));
  }

  /** No more comes; what was written is still read. */
  end(): void {
    this.#ended = true;
    this.#readerWaits?.();
    for (const resolve of this.#writerWaits.splice(0)) resolve();
  }

  /** All that waits as one chunk. */
  #taken(): Uint8Array | undefined {
    if (this.#chunks.length === 0) return undefined;
    const all = Buffer.concat(this.#chunks.splice(0));
    this.#bytes = 0;
    for (const resolve of this.#writerWaits.splice(0)) resolve();
    return all;
  }
}
