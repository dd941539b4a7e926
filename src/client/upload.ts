import type { Api, Reservation } from './api.js';
import type { Artifact, UploadInstructions } from './artifact.js';
import { AcervoClientError } from './error.js';
import { MAX_TRIES, pause } from './http.js';
import { type Sending, send } from './send.js';

/**
 * Up to here one PUT through the server is the quickest. Time of a signed PUT or form and of parts, each with its
 * `complete`, against it (`npm run bench:files`, two runs): with MinIO 1.1 and 1.7 for 1 MB, 1.1 and 1.4 for 5 MB, 1.1
 * and 1.3 for 10 MB; with objects on disk 1.3 to 2.1 and 1.9 to 3.0. For 100 MB with MinIO parts take .76 to .85; on
 * disk more, but what has arrived need not be sent again.
 */
const THROUGH_SERVER_BYTES = 10_000_000;
const DEFAULT_CONCURRENCY = 4;
/** Answers to `complete` after which bytes can be sent: some are missing, others were refused, or none came in time. */
const STILL_OPEN = new Set([
  'artifact:upload_incomplete',
  'artifact:size_mismatch',
  'artifact:checksum_mismatch',
  'artifact:not_reserved',
]);

export interface UploadProgress {
  artifact_id: string;
  /** What is known to have arrived; of an upload in one request all of it at its end. */
  sent_bytes: number;
  total_bytes: number;
  /** The part that has just arrived. */
  part?: number;
}

/** With `upload_method` the bytes go past the server in that way, instead of the one that is quickest for their size. */
export interface UploadOptions extends Omit<Reservation, 'size_bytes'> {
  /** Parts that are sent at once; 4 unless given. */
  concurrency?: number;
  /** Id of an artifact whose upload was begun with the same bytes: only the rest is sent. */
  resume?: string;
  /** Called once before anything is sent, and whenever bytes have arrived. */
  onProgress?: (progress: UploadProgress) => void;
  /** Ends the upload. What has arrived is kept for `resume` until the reservation ends. */
  signal?: AbortSignal;
}

/** An upload from its reservation, or from where it was left, to the stored artifact. */
export async function uploadArtifact(api: Api, source: Blob, options: UploadOptions): Promise<Artifact> {
  const { onProgress, signal, concurrency = DEFAULT_CONCURRENCY, resume, ...wanted } = options;
  const begun =
    resume === undefined ? await begin(api, source, wanted, signal) : await pickUp(api, source, resume, signal);
  if ('artifact' in begun) return begun.artifact;
  const { id, instructions } = begun;
  const progress = progressOf(id, source.size, onProgress);
  progress.restart(instructions);
  if (options.upload_method === undefined && source.size <= THROUGH_SERVER_BYTES) {
    const artifact = await api.putContent(id, source.slice(), signal);
    progress.arrived(source.size);
    return artifact;
  }
  const { fetch } = api;
  const sending: Sending = {
    ...{ fetch, source, signal, name: wanted.name, concurrency: Math.max(1, concurrency) },
    onArrived: progress.arrived,
  };
  return sendAndComplete(api, sending, { id, instructions, progress });
}

interface Begun {
  id: string;
  instructions: UploadInstructions;
}

async function begin(
  api: Api,
  source: Blob,
  wanted: Omit<Reservation, 'size_bytes'>,
  signal: AbortSignal | undefined,
): Promise<Begun> {
  const content_type = wanted.content_type ?? source.type;
  const typed = content_type === '' ? {} : { content_type };
  const { id, upload } = await api.reserve({ ...wanted, ...typed, size_bytes: source.size }, signal);
  return { id, instructions: upload };
}

/** What has become of an upload that was begun before. */
async function pickUp(
  api: Api,
  source: Blob,
  id: string,
  signal: AbortSignal | undefined,
): Promise<Begun | { artifact: Artifact }> {
  const artifact = await api.read(id, signal);
  const { size_bytes } = artifact.upload ?? artifact;
  if (size_bytes !== source.size)
    throw new AcervoClientError(`The upload is of ${size_bytes} bytes, the source has ${source.size}.`, {
      code: 'client:other_source',
    });
  return endOrGoOn(api, id, signal);
}

/**
 * Whoever was sending may have been stopped between the last byte and the end, or have lost the answer: so the end is
 * tried first; only where that is refused the server is asked what is missing.
 */
async function endOrGoOn(
  api: Api,
  id: string,
  signal: AbortSignal | undefined,
): Promise<Begun | { artifact: Artifact }> {
  try {
    return { artifact: await api.complete(id, signal) };
  } catch (error) {
    if (!(error instanceof AcervoClientError && STILL_OPEN.has(error.code))) throw error;
  }
  return { id, instructions: (await api.goOn(id, signal)).upload };
}

/** Sends, asks after a failure what is still missing, sends that, and so on; gives up when that gets nowhere. */
async function sendAndComplete(
  api: Api,
  sending: Sending,
  { id, instructions, progress }: Begun & { progress: Progress },
): Promise<Artifact> {
  const { signal } = sending;
  let next = instructions;
  for (let fruitless = 0; ; ) {
    const before = progress.sentBytes();
    try {
      await send(sending, next);
      return await api.complete(id, signal);
    } catch (error) {
      fruitless = progress.sentBytes() > before ? 1 : fruitless + 1;
      if (!isWorthGoingOn(error) || fruitless === MAX_TRIES) throw error;
      await pause(fruitless, error, signal);
    }
    const begun = await endOrGoOn(api, id, signal);
    if ('artifact' in begun) {
      progress.arrived(sending.source.size - progress.sentBytes());
      return begun.artifact;
    }
    next = begun.instructions;
    progress.restart(next);
  }
}

/** 403: the URL has expired. 404: the store has given the parts up. Both are answered by new URLs. */
function isWorthGoingOn(error: unknown): error is AcervoClientError {
  return error instanceof AcervoClientError && (error.retryable || [403, 404].includes(error.status));
}

interface Progress {
  sentBytes(): number;
  /** The server has said what is missing. */
  restart(instructions: UploadInstructions): void;
  arrived(size_bytes: number, part?: number): void;
}

function progressOf(artifact_id: string, total_bytes: number, onProgress: UploadOptions['onProgress']): Progress {
  let sent_bytes = -1;
  const tell = (sent: number, part?: number) => {
    if (sent === sent_bytes) return;
    sent_bytes = sent;
    onProgress?.({ artifact_id, sent_bytes, total_bytes, ...(part === undefined ? {} : { part }) });
  };
  return {
    sentBytes: () => sent_bytes,
    restart: ({ method, parts = [] }) => {
      const missing = parts.reduce((sum, { size_bytes }) => sum + size_bytes, 0);
      tell(method === 'multipart' ? total_bytes - missing : 0);
    },
    arrived: (size_bytes, part) => tell(sent_bytes + size_bytes, part),
  };
}
