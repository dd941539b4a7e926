import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import type { CheckedBody } from '../checked-body.js';
import { createClient, type S3Client, type S3Options, type Transport, transportOf } from './client.js';
import { failureOf } from './failures.js';

/** A request of ours is sent at once; the rest is for clocks that differ. */
const SIGNATURE_SECONDS = 900;

export interface S3Request {
  method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  bucket: string;
  /** None: the bucket itself. */
  key?: string;
  query?: Record<string, string>;
  /** Not `x-amz-…`: those would have to be signed. */
  headers?: Record<string, string>;
  /** Through `checked`, which keeps the last bytes back until all are right. */
  body?: { bytes: Readable; checked: CheckedBody } | string;
}

/**
 * Requests that the SDK would buffer, send without a condition, or read wrongly: signed by the SDK as a URL, sent by us
 * as a stream.
 */
export class Sender {
  readonly client: S3Client;
  private readonly transport: Transport;

  constructor(options: S3Options) {
    this.client = createClient(options.endpoint, options);
    this.transport = transportOf(options.endpoint, options.idleTimeoutMs);
  }

  /**
   * @returns the answer, its body unread
   * @throws AcervoError; the error of `body` when that fails
   */
  async send({ method, bucket, key = '', query = {}, headers = {}, body }: S3Request): Promise<IncomingMessage> {
    const url = await this.client.presignedUrl(method, bucket, key, SIGNATURE_SECONDS, query);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = this.transport.request(url, { method, headers }, resolve);
      request.once('error', reject);
      if (body === undefined || typeof body === 'string') request.end(body);
      else pipeline(body.bytes, body.checked, request).catch(reject);
    });
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const said = await text(response);
    const code = /<Code>(\w+)<\/Code>/.exec(said)?.[1] ?? response.headers['x-minio-error-code']?.toString();
    const message = /<Message>([^<]*)<\/Message>/.exec(said)?.[1] ?? response.headers['x-minio-error-desc']?.toString();
    throw failureOf(status, code, message);
  }

  /** The same, for an answer whose headers are all that matters. */
  async sendForHeaders(request: S3Request): Promise<IncomingMessage['headers']> {
    const response = await this.send(request);
    response.resume();
    return response.headers;
  }

  /** A document of a bucket or an object, such as its lifecycle rules. */
  async readXml(request: Pick<S3Request, 'bucket' | 'key' | 'query'>): Promise<string> {
    return text(await this.send({ method: 'GET', ...request }));
  }

  /** Replaces such a document. S3 insists on the digest for some. */
  async writeXml(request: Pick<S3Request, 'bucket' | 'key' | 'query'>, xml: string): Promise<void> {
    const headers = { 'content-md5': createHash('md5').update(xml).digest('base64') };
    await this.sendForHeaders({ method: 'PUT', ...request, headers, body: xml });
  }
}
