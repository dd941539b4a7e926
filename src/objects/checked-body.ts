import { createHash, type Hash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { AcervoError } from '../errors/error.js';
import type { PutOptions } from './port.js';

/**
 * Passes bytes on while it counts and digests them. The last chunk is held back until size and digest are known to be
 * right: a receiver that was promised `size_bytes` gets all of them only then, so that a wrong body commits nowhere.
 * Fails with AcervoError `artifact:size_mismatch` or `artifact:checksum_mismatch`.
 */
export class CheckedBody extends Transform {
  private readonly hash: Hash = createHash('sha256');
  private received = 0;
  private held: Buffer | undefined;
  /** 64 hexadecimal digits, once the stream has ended. */
  sha256 = '';

  constructor(private readonly expected: Pick<PutOptions, 'size_bytes' | 'sha256'>) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.received += chunk.length;
    if (this.received > this.expected.size_bytes) {
      done(this.wrongSize());
      return;
    }
    this.hash.update(chunk);
    const before = this.held;
    this.held = chunk;
    done(null, before);
  }

  override _flush(done: TransformCallback): void {
    this.sha256 = this.hash.digest('hex');
    const { size_bytes, sha256 = this.sha256 } = this.expected;
    if (this.received !== size_bytes) done(this.wrongSize());
    else if (sha256.toLowerCase() !== this.sha256) done(new AcervoError('artifact:checksum_mismatch'));
    else done(null, this.held);
  }

  private wrongSize(): AcervoError {
    return new AcervoError('artifact:size_mismatch', { detail: `Declared were ${this.expected.size_bytes} bytes.` });
  }
}
