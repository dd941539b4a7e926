import type { PartInstructions, UploadInstructions } from './artifact.js';
import { type Fetch, request } from './http.js';

/** The bytes of one upload on their way past the API, to wherever its instructions lead. */
export interface Sending {
  fetch: Fetch;
  source: Blob;
  name: string;
  concurrency: number;
  signal: AbortSignal | undefined;
  /** Bytes have arrived: a part, or all. */
  onArrived(size_bytes: number, part_number?: number): void;
}

/**
 * Sends what the instructions ask for. The first failure ends it: what is under way is waited for, and nothing more is
 * begun, since only the server knows now what has arrived, and every URL may have expired.
 * @throws AcervoClientError the first failure; what the signal was aborted with
 */
export async function send(sending: Sending, instructions: UploadInstructions): Promise<void> {
  if (instructions.method === 'multipart') return sendParts(sending, instructions.parts ?? []);
  await sendWhole(sending, instructions);
  sending.onArrived(sending.source.size);
}

async function sendParts(sending: Sending, parts: PartInstructions[]): Promise<void> {
  const waiting = parts.values();
  const failures: unknown[] = [];
  const sender = async () => {
    for (const part of waiting) {
      if (failures.length > 0) return;
      await sendPart(sending, part).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.min(sending.concurrency, parts.length) }, sender));
  if (failures.length > 0) throw failures[0];
}

async function sendPart(sending: Sending, { url, offset_bytes, size_bytes, part_number }: PartInstructions) {
  const body = sending.source.slice(offset_bytes, offset_bytes + size_bytes);
  await transfer(sending, url, { method: 'PUT', body });
  sending.onArrived(size_bytes, part_number);
}

/** One request for all bytes: a signed PUT, or a form whose policy says what it may hold. */
async function sendWhole(sending: Sending, { method, url = '', headers = {}, fields = {} }: UploadInstructions) {
  const { source, name } = sending;
  // Without the type of the source: what was signed says which one is sent.
  const bytes = source.slice();
  if (method === 'PUT') return transfer(sending, url, { method, headers, body: bytes });
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, value);
  form.append('file', bytes, name);
  await transfer(sending, url, { method: 'POST', body: form });
}

async function transfer({ fetch, signal }: Sending, url: string, init: RequestInit): Promise<void> {
  const response = await request(fetch, url, { ...init, ...(signal === undefined ? {} : { signal }) });
  // Unread, the answer would keep its connection. That it breaks off does not matter: its status has come.
  await response.arrayBuffer().catch(() => undefined);
}
