import type { ErrorCode } from '../errors/codes.js';
import type { Kind } from './kinds.js';
import type { Extracted } from './read.js';

/** What the process that reads may use; past either it is ended. */
export interface Bounds {
  timeoutMs: number;
  maxResidentBytes: number;
}

export interface Task {
  kind: Kind;
  bytes: Uint8Array;
  maxTextBytes: number;
  bounds: Bounds;
}

/** `cause` is what a library said: for the log only. */
export interface Refusal {
  code: ErrorCode;
  detail: string | undefined;
  cause?: string | undefined;
}

export type Answer = Extracted | Refusal;
