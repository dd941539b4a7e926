import { createHash, randomBytes } from 'node:crypto';

const PREFIX_BYTES = 4;
const SECRET_BYTES = 32;

export interface NewToken {
  /** `acv_<8 hexadecimal digits>_<43 characters of base64url>`; shown once, never stored. */
  token: string;
  /** The token's first 12 characters, `acv_…`: public, so that people can tell keys apart. */
  prefix: string;
  hash: string;
}

/**
 * SHA-256 of a whole token as 64 hexadecimal digits, which is what is stored and looked up. A slow hash protects
 * passwords, which can be guessed; 32 random bytes cannot, and a slow hash would be paid at every request.
 */
export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** A token that nobody has seen. */
export function newToken(): NewToken {
  const prefix = `acv_${randomBytes(PREFIX_BYTES).toString('hex')}`;
  const token = `${prefix}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { token, prefix, hash: hashOf(token) };
}
