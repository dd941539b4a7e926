import { z } from 'zod';
import { AcervoError, type Fault } from '../errors/error.js';
import { boundedBody, readJsonBody, requireContentType } from './body.js';
import type { HttpContext } from './env.js';
import { refuseKey } from './json.js';
import type { Route, RouteInput } from './route.js';

/** More faults than this help nobody, and a body of a million wrong items must not make an answer of a million. */
const MAX_FAULTS = 32;
const MAX_FAULT_LENGTH = 256;
/** What tells one stream of bytes from another before it is read. */
const TOLD_OF_BYTES = ['content-length', 'content-type', 'content-digest', 'repr-digest'];

function faultsOf(issues: readonly z.core.$ZodIssue[], place: string): Fault[] {
  const pathOf = (path: PropertyKey[]) => [place, ...path].filter((part) => part !== '').join('.');
  return issues
    .flatMap((issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'is not known here' }))
        : [{ path: pathOf(issue.path), message: issue.message }],
    )
    .slice(0, MAX_FAULTS)
    .map(({ path, message }) => ({
      path: path.slice(0, MAX_FAULT_LENGTH),
      message: message.slice(0, MAX_FAULT_LENGTH),
    }));
}

/**
 * Applies a schema to what came from outside.
 * @param place prefix of the faults' paths: '' for the body, else `query` or `params`
 * @throws AcervoError `request:invalid` with at most 32 faults
 */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, place = ''): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AcervoError('request:invalid', { faults: faultsOf(result.error.issues, place) });
}

/** Percent-encoding that is not UTF-8 would otherwise be read as other characters than were sent. */
function refuseBadEscapes(url: URL): void {
  try {
    decodeURIComponent(url.pathname);
    decodeURIComponent(url.search);
  } catch (error) {
    throw new AcervoError('request:malformed_utf8', { detail: 'The address is not valid UTF-8.', cause: error });
  }
}

function queryOf(url: URL): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [name, value] of url.searchParams) {
    refuseKey(name);
    if (Object.hasOwn(query, name))
      throw new AcervoError('request:invalid', {
        faults: [{ path: `query.${name}`.slice(0, MAX_FAULT_LENGTH), message: 'is given twice' }],
      });
    query[name] = value;
  }
  return query;
}

/**
 * Reads and checks all that a route takes. Unknown query parameters are refused; a stream's content is bounded here
 * and checked by its reader.
 * @returns the handler's input, and what the idempotency digest covers: method, path with query, body as sent (of bytes:
 *   what the headers say of them)
 * @throws AcervoError `request:*`
 */
export async function readInput(
  c: HttpContext,
  route: Route,
  signal: AbortSignal,
): Promise<{ input: RouteInput; fingerprint: unknown[] }> {
  const { raw } = c.req;
  const url = new URL(raw.url);
  refuseBadEscapes(url);
  const params = checked((route.params ?? z.object({})).strict(), c.req.param(), 'params');
  const query = checked((route.query ?? z.object({})).strict(), queryOf(url), 'query');
  const fingerprint: unknown[] = [raw.method, url.pathname + url.search];
  const rest = { params, query, headers: raw.headers, raw, signal };
  if (route.bodyKind === 'none') return { input: { ...rest, body: undefined }, fingerprint };
  if (route.bodyKind !== 'bytes') requireContentType(raw.headers, route.bodyKind);
  const stream = boundedBody(raw, route.maxBodyBytes, signal);
  if (route.bodyKind === 'bytes') fingerprint.push(TOLD_OF_BYTES.map((name) => raw.headers.get(name)));
  if (route.bodyKind !== 'json') return { input: { ...rest, body: stream }, fingerprint };
  const sent = await readJsonBody(stream);
  return { input: { ...rest, body: checked(route.body ?? z.never(), sent) }, fingerprint: [...fingerprint, sent] };
}
