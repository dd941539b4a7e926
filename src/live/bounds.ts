/** The bounds that docs/live.md tells clients of. */

export const HEARTBEAT_SECONDS = 15;
export const MAX_SUBSCRIPTIONS = 64;
/** Sockets of a node that have not brought their key yet. They take no place from those who have: anybody can open them. */
export const MAX_KEYLESS_SOCKETS = 256;
export const MAX_MESSAGE_BYTES = 65_536;
/** Of what a reader has not taken: more ends the subscriptions or the stream that would add to it. */
export const MAX_UNREAD_BYTES = 2_097_152;
export const MAX_UNREAD_MESSAGES = 10_000;
/** Below these a reader that catches up is given more. */
export const LOW_UNREAD_BYTES = 524_288;
export const LOW_UNREAD_MESSAGES = 1_000;
/** A reader that takes nothing for so long while it catches up is too slow. */
export const PATIENCE_MS = 30_000;
