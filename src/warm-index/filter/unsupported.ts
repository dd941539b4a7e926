/** A filter over something that is not kept in memory, where it would be without bounds: the database can judge it. */
export class UnsupportedFilterError extends Error {
  override readonly name = 'UnsupportedFilterError';

  constructor(path: string) {
    super(`${path} is not kept in memory`);
  }
}
