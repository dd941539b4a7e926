import { AcervoError } from '../errors/error.js';
import { parseJson } from './json.js';

export const NDJSON = 'application/x-ndjson';
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;

/** @throws AcervoError `request:unsupported_media_type` */
export function requireContentType(headers: Headers, kind: 'json' | 'stream'): void {
  const [essence = '', ...parameters] = (headers.get('content-type') ?? '').toLowerCase().split(';');
  const type = essence.trim();
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith('charset='));
  const typeFits = kind === 'json' ? JSON_TYPE.test(type) : type === NDJSON;
  if (!typeFits || !['charset=utf-8', 'charset="utf-8"', undefined].includes(charset))
    throw new AcervoError('request:unsupported_media_type', {
      detail: `Send ${kind === 'json' ? 'application/json' : NDJSON} in UTF-8.`,
    });
  if (!['identity', null].includes(headers.get('content-encoding')))
    throw new AcervoError('request:unsupported_media_type', { detail: 'Send the body without a content-encoding.' });
}

/**
 * The request's bytes, bounded twice: by what Content-Length claims and by what comes.
 * @throws AcervoError `request:too_large`, here or from the stream
 */
export function boundedBody(raw: Request, maxBytes: number, signal: AbortSignal): ReadableStream<Uint8Array> {
  const refusal = () => new AcervoError('request:too_large', { detail: `At most ${maxBytes} bytes.` });
  if (Number(raw.headers.get('content-length') ?? 0) > maxBytes) throw refusal();
  let bytes = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw refusal();
      controller.enqueue(chunk);
    },
  });
  return (raw.body ?? new Blob([]).stream()).pipeThrough(count, { signal });
}

/** @throws AcervoError of the stream, `request:invalid` when it broke off, and those of {@link parseJson} */
export async function readJsonBody(body: ReadableStream<Uint8Array>): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk);
  } catch (error) {
    if (error instanceof AcervoError) throw error;
    throw new AcervoError('request:invalid', { detail: 'The body broke off.', cause: error });
  }
  return parseJson(Buffer.concat(chunks));
}
