/**
 * The one table of error codes. A code is stable: clients may branch on it. `title` is public; what is particular to
 * one occurrence goes into `detail`. `retryable` says whether the same request, sent again later, can succeed.
 * docs/errors.md is generated from here.
 */
export const ERROR_CODES = {
  'request:malformed_json': { status: 400, retryable: false, title: 'The body is not valid JSON.' },
  'request:malformed_utf8': { status: 400, retryable: false, title: 'The body is not valid UTF-8.' },
  'request:invalid': { status: 400, retryable: false, title: 'The request does not fit its schema; see errors.' },
  'request:forbidden_key': { status: 400, retryable: false, title: 'An object key that is never accepted was sent.' },
  'request:too_large': { status: 413, retryable: false, title: 'The body or one of its parts is larger than allowed.' },
  'request:unsupported_media_type': { status: 415, retryable: false, title: 'This content type is not accepted here.' },
  'request:not_found': { status: 404, retryable: false, title: 'There is no such route.' },
  'request:method_not_allowed': { status: 405, retryable: false, title: 'This route does not take that method.' },
  'request:rate_limited': { status: 429, retryable: true, title: 'Too many requests; wait as Retry-After says.' },
  'request:overloaded': {
    status: 503,
    retryable: true,
    title: 'The server is at a bound it keeps for itself; send again later.',
  },
  'request:timeout': { status: 503, retryable: true, title: 'The request took longer than its time limit.' },
  'idempotency:key_reused': {
    status: 422,
    retryable: false,
    title: 'This Idempotency-Key was used with another request.',
  },
  'idempotency:in_flight': {
    status: 409,
    retryable: true,
    title: 'The first request with this Idempotency-Key is still being worked on.',
  },
  'cursor:invalid': {
    status: 400,
    retryable: false,
    title: 'The cursor was not made by this server for this request.',
  },
  'cursor:expired': { status: 400, retryable: false, title: 'The cursor is too old; start again without one.' },
  'auth:missing': { status: 401, retryable: false, title: 'Send a key as Authorization: Bearer acv_…' },
  'auth:invalid': { status: 401, retryable: false, title: 'The key is unknown, expired or revoked.' },
  'auth:scope_missing': { status: 403, retryable: false, title: 'The key lacks the scope that this route needs.' },
  'auth:agent_mismatch': { status: 403, retryable: false, title: 'The key is bound to another agent.' },
  'key:not_found': { status: 404, retryable: false, title: 'There is no such key.' },
  'key:exists': {
    status: 409,
    retryable: false,
    title: 'This Idempotency-Key has made a key already; its token was shown then and cannot be shown again.',
  },
  'key:ended': { status: 409, retryable: false, title: 'The key is revoked, expired or rotated already.' },
  'key:configured': { status: 409, retryable: false, title: 'This key is set by ACERVO_ADMIN_KEY; change it there.' },
  'key:last_admin': { status: 409, retryable: false, title: 'This is the last key that can manage keys.' },
  'knowledge:not_found': { status: 404, retryable: false, title: 'There is no such document.' },
  'knowledge:id_unavailable': { status: 409, retryable: false, title: 'This id cannot be used by this key.' },
  'knowledge:caller_passages': {
    status: 409,
    retryable: false,
    title: 'The passages or vectors came with the document: send the whole document again.',
  },
  'knowledge:too_many_passages': { status: 400, retryable: false, title: 'A document has at most 512 passages.' },
  'knowledge:metadata_too_large': { status: 400, retryable: false, title: 'The metadata is too large or too deep.' },
  'knowledge:content_too_large': { status: 413, retryable: false, title: 'The content is larger than 2 MB.' },
  'revision:mismatch': {
    status: 412,
    retryable: false,
    title: 'The resource has changed since the revision in If-Match.',
  },
  'revision:contended': {
    status: 409,
    retryable: true,
    title: 'Too many writers changed this resource at once; send again.',
  },
  'vector:wrong_dimensions': { status: 400, retryable: false, title: 'The vector has another length than the space.' },
  'vector:not_finite': { status: 400, retryable: false, title: 'A vector holds only finite numbers.' },
  'vector:zero': { status: 400, retryable: false, title: 'A vector of zeros has no direction.' },
  'embedding:unavailable': { status: 503, retryable: true, title: 'The embedding provider does not answer.' },
  'embedding:rejected': { status: 502, retryable: false, title: 'The embedding provider refused the text.' },
  'embedding:vector_required': {
    status: 400,
    retryable: false,
    title: 'This server makes no embeddings: bring a vector, or search in mode text.',
  },
  'filter:unknown_path': { status: 400, retryable: false, title: 'The filter names a path that cannot be filtered.' },
  'filter:unknown_operator': { status: 400, retryable: false, title: 'The filter uses an unknown operator.' },
  'filter:invalid': { status: 400, retryable: false, title: 'The filter is not well formed.' },
  'search:nothing_to_search': {
    status: 400,
    retryable: false,
    title: 'Give a query or a vector that the mode can use.',
  },
  'bulk:line_too_large': { status: 413, retryable: false, title: 'A line of the bulk body is larger than allowed.' },
  'bulk:too_many_lines': {
    status: 413,
    retryable: false,
    title: 'The bulk body has more lines than one request may have.',
  },
  'artifact:key_invalid': { status: 400, retryable: false, title: 'This cannot be the key of an object.' },
  'artifact:bucket_not_found': { status: 404, retryable: false, title: 'There is no such bucket.' },
  'artifact:not_found': { status: 404, retryable: false, title: 'There is no such object or version.' },
  'artifact:precondition_failed': {
    status: 412,
    retryable: false,
    title: 'The object is there already, or is not the one that was to be replaced.',
  },
  'artifact:range_not_satisfiable': {
    status: 416,
    retryable: false,
    title: 'The range begins behind the end of the object.',
  },
  'artifact:size_mismatch': { status: 400, retryable: false, title: 'The body has not the size that was declared.' },
  'artifact:checksum_mismatch': { status: 400, retryable: false, title: 'The bytes have another SHA-256.' },
  'artifact:too_many_versions': {
    status: 409,
    retryable: false,
    title: 'This key has as many versions as are kept; delete some.',
  },
  'artifact:upload_not_found': { status: 404, retryable: false, title: 'There is no such unfinished upload.' },
  'artifact:part_invalid': {
    status: 400,
    retryable: false,
    title: 'A part is missing, too small, out of order, or not the one that was named.',
  },
  'artifact:url_invalid': { status: 403, retryable: false, title: 'The signed URL was not made here for this.' },
  'artifact:url_expired': { status: 403, retryable: false, title: 'The signed URL has expired; ask for another.' },
  'objects:unavailable': { status: 503, retryable: true, title: 'The object store does not answer.' },
  'database:unavailable': { status: 503, retryable: true, title: 'The database is away; it is being reconnected.' },
  'database:conflict': {
    status: 409,
    retryable: true,
    title: 'Concurrent writers kept this change from committing; send it again.',
  },
  'database:too_slow': {
    status: 503,
    retryable: true,
    title:
      'This change took longer than a transaction may; nothing was stored. Send it again when the server is less busy.',
  },
  'internal:unexpected': {
    status: 500,
    retryable: false,
    title: 'Something went wrong here; the log has it under request_id.',
  },
} as const satisfies Record<string, { status: number; retryable: boolean; title: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;
