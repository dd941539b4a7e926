// A client for files, changes and hooks, for Node 20.19 or newer and browsers. It shares no code with the server.
import { Api, type ClientOptions } from './api.js';
import type { Artifact } from './artifact.js';
import { type UploadOptions, uploadArtifact } from './upload.js';

export type { ClientOptions } from './api.js';
export type { Artifact } from './artifact.js';
export { AcervoClientError } from './error.js';
export { type HookEvent, type HookHeaders, type VerifyOptions, verifyHook } from './hooks.js';
export { createLiveClient, type LiveClient, type LiveOptions } from './live.js';
export type { LiveHandlers, LiveSubscription } from './live-follower.js';
export type { Change, LiveRequest } from './live-messages.js';
export type { UploadOptions, UploadProgress } from './upload.js';

export interface AcervoClient {
  /**
   * Stores bytes as a new artifact, in the way that suits their size: up to 10 MB in one request through the server,
   * beyond that in parts, several at once, past it. Broken connections and expired URLs are dealt with. A file of Node
   * is read while it is sent when it is given as `await openAsBlob(path)` of node:fs.
   * @returns the artifact as it is stored, also when `resume` finds that all was there
   * @throws AcervoClientError with the code of the API, or a `client:` one
   * @throws what `signal` was aborted with
   */
  uploadArtifact(source: Blob | Uint8Array, options: UploadOptions): Promise<Artifact>;
  /** A URL that downloads the bytes without a key, until `expires_at`. @throws AcervoClientError */
  downloadUrl(id: string, options?: { signal?: AbortSignal }): Promise<{ url: string; expires_at: string }>;
}

export function createClient(options: ClientOptions): AcervoClient {
  const api = new Api(options);
  return {
    uploadArtifact: (source, upload) =>
      uploadArtifact(api, source instanceof Blob ? source : new Blob([source]), upload),
    downloadUrl: (id, { signal } = {}) => api.downloadUrl(id, signal),
  };
}
