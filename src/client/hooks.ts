import { AcervoClientError } from './error.js';
import type { Change } from './live-messages.js';

/** What a hook brings; docs/hooks.md. */
export interface HookEvent {
  /** Such as `knowledge.created`; `hook.test` for a test. */
  type: string;
  /** When it happened. */
  timestamp: string;
  /** The change, without columns; of a test just its id, resource and timestamp. */
  data: Pick<Change, 'id' | 'resource'> & Partial<Change> & { timestamp: string };
}

/** Headers as Node, `Headers` of fetch, or a plain object have them. */
export type HookHeaders = { get(name: string): string | null } | Record<string, string | string[] | undefined>;

export interface VerifyOptions {
  /** How far the sender's clock may be from ours, in seconds; default 300. */
  tolerance_seconds?: number;
  /** Default: now. */
  now?: Date;
}

const PREFIX = 'whsec_';
const SCHEME = 'v1,';
const encoder = new TextEncoder();

function refuse(message: string): never {
  throw new AcervoClientError(message, { code: 'client:hook_signature' });
}

function headerOf(headers: HookHeaders, name: string): string {
  const value = typeof headers.get === 'function' ? headers.get(name) : (headers as Record<string, unknown>)[name];
  return typeof value === 'string' && value !== '' ? value : refuse(`The header ${name} is missing.`);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/**
 * Checks that a request was sent by the hook that has this secret, not long ago, and that nobody has changed it: Standard
 * Webhooks 1.0.0. Runs where there is WebCrypto.
 * @param secret as it was shown: `whsec_…`
 * @param body the bytes or the text as they came, before anything has parsed them
 * @returns the event; dedupe by the header `webhook-id`
 * @throws AcervoClientError `client:hook_signature`
 */
export async function verifyHook(
  secret: string,
  headers: HookHeaders,
  body: string | Uint8Array,
  { tolerance_seconds = 300, now = new Date() }: VerifyOptions = {},
): Promise<HookEvent> {
  const id = headerOf(headers, 'webhook-id');
  const timestamp = headerOf(headers, 'webhook-timestamp');
  const signatures = headerOf(headers, 'webhook-signature').split(' ');
  const secondsOff = /^\d{1,12}$/.test(timestamp) ? Math.abs(Number(timestamp) - now.getTime() / 1000) : Infinity;
  if (secondsOff > tolerance_seconds) refuse('It was sent too long ago, or the clocks differ.');
  const bytes = bytesOf(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret);
  if (bytes === undefined || bytes.length === 0) return refuse('This is no secret of a hook.');
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  const signed = encoder.encode(`${id}.${timestamp}.${text}`);
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify']);
  for (const signature of signatures) {
    const mac = signature.startsWith(SCHEME) ? bytesOf(signature.slice(SCHEME.length)) : undefined;
    // Compares in constant time.
    if (mac !== undefined && (await crypto.subtle.verify('HMAC', key, mac, signed))) return JSON.parse(text);
  }
  return refuse('No signature fits.');
}
