import http from 'node:http';
import https from 'node:https';
import { Client, CopyDestinationOptions, CopySourceOptions, PostPolicy } from 'minio';

export { CopyDestinationOptions, CopySourceOptions, PostPolicy };

export class S3Client extends Client {
  /** Protected in the SDK, for no reason given. */
  override listParts(bucket: string, key: string, uploadId: string) {
    return super.listParts(bucket, key, uploadId);
  }
}

export interface S3Options {
  /** `http://host:9000`, as this process reaches the store. */
  endpoint: string;
  /** As clients reach it: the host is part of a signature. Default: `endpoint`. */
  publicEndpoint?: string;
  /** With a region set, signing needs no request. */
  region: string;
  accessKey: string;
  secretKey: string;
  /** A request without any byte in either direction for so long is given up. */
  idleTimeoutMs: number;
}

export type Transport = Pick<typeof http, 'request'>;

/** The SDK knows no timeouts; this gives up a connection on which nothing moves. */
export function transportOf(endpoint: string, idleTimeoutMs: number): Transport {
  const { request } = endpoint.startsWith('https:') ? https : http;
  return {
    request: (...args: unknown[]) => {
      const sent = Reflect.apply(request, undefined, args) as http.ClientRequest;
      let response: http.IncomingMessage | undefined;
      sent.once('response', (answer) => {
        response = answer;
      });
      const fallenSilent = () => {
        // Bytes that wait here are our reader's slowness, not the store's. Node tells a request only once.
        if ((response?.readableLength ?? 0) > 0) {
          sent.socket?.setTimeout(idleTimeoutMs, fallenSilent);
          return;
        }
        const error = Object.assign(new Error('the object store fell silent'), { code: 'ETIMEDOUT' });
        sent.destroy(error);
        response?.destroy(error);
      };
      sent.setTimeout(idleTimeoutMs, fallenSilent);
      // The next request may have the same connection.
      sent.once('close', () => sent.socket?.off('timeout', fallenSilent));
      return sent;
    },
  };
}

/** @throws TypeError for an endpoint that is no URL */
export function createClient(endpoint: string, options: S3Options): S3Client {
  const { protocol, hostname, port } = new URL(endpoint);
  return new S3Client({
    endPoint: hostname.replace(/^\[|\]$/g, ''),
    useSSL: protocol === 'https:',
    ...(port === '' ? {} : { port: Number(port) }),
    region: options.region,
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    pathStyle: true,
    transport: transportOf(endpoint, options.idleTimeoutMs),
    // It would retry writes too, and print.
    retryOptions: { disableRetry: true },
  });
}
