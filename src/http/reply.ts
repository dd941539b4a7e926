import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { HttpContext } from './env.js';
import type { Reply } from './route.js';

/** Names the row of the audit log that a change has made. */
export const auditHeader = (audit_id: string | undefined): Record<string, string> =>
  audit_id === undefined ? {} : { 'acervo-audit-id': audit_id };

/**
 * A body of what is yielded, in UTF-8; leaving it ends the generator.
 * @param strategy how much is made ahead of the reader; without one, nothing
 */
export function streamOf(
  texts: AsyncGenerator<string, unknown>,
  strategy: QueuingStrategy<Uint8Array> = { highWaterMark: 0 },
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await texts.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await texts.return(undefined);
      },
    },
    strategy,
  );
}

/** The same stream, which calls `done` once: when it was read to its end, was cancelled, or failed. */
export function whenEnded(body: ReadableStream, done: () => void): ReadableStream {
  const reader = body.getReader();
  let ended = false;
  const end = () => {
    if (!ended) done();
    ended = true;
  };
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done: last, value } = await reader.read();
          if (!last) return controller.enqueue(value);
          controller.close();
          end();
        } catch (error) {
          controller.error(error);
          end();
        }
      },
      async cancel(reason) {
        end();
        await reader.cancel(reason);
      },
    },
    // Nothing is read ahead of the client.
    { highWaterMark: 0 },
  );
}

/** Runs `work`, and `release` once its answer is complete: for a stream at its end, else (or on an error) at once. */
export async function holdUntilAnswered(release: () => void, work: () => Promise<Reply>): Promise<Reply> {
  let streaming = false;
  try {
    const reply = await work();
    if (!(reply.body instanceof ReadableStream)) return reply;
    streaming = true;
    return { ...reply, body: whenEnded(reply.body, release) };
  } finally {
    if (!streaming) release();
  }
}

/** Ends a stream that nobody will read: the answer to HEAD, or one that came after its deadline. */
export async function discard(reply: Reply): Promise<void> {
  if (reply.body instanceof ReadableStream) await reply.body.cancel();
}

/** Sends a reply through Hono's context, so that the headers set by the middlewares go along. */
export async function send(c: HttpContext, reply: Reply): Promise<Response> {
  const status = reply.status as ContentfulStatusCode;
  for (const [name, value] of Object.entries(reply.headers ?? {})) c.header(name, value);
  const { body } = reply;
  if (body === undefined) return c.body(null, status);
  if (typeof body === 'string' || body instanceof Uint8Array)
    return c.body(body as string | Uint8Array<ArrayBuffer>, status);
  if (!(body instanceof ReadableStream)) return c.json(body, status);
  if (c.req.method === 'HEAD') {
    await discard(reply);
    return c.body(null, status);
  }
  c.set('streaming', true);
  return c.body(whenEnded(body, c.get('finish')), status);
}
