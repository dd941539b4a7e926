/** A document, or a decision, as the replica takes it in: what a search needs of it and nothing more. */
export interface ReplicaDocument {
  id: string;
  revision: number;
  /** The revision that its passages carry in their keys. */
  content_revision: number;
  /** What filters look at: columns and metadata, shaped as `evaluateFilter` reads them; datetimes as RFC 3339 text. */
  columns: Record<string, unknown>;
  /** The texts of its passages, by ordinal. */
  passages: string[];
  /** Unit length; ordinal -1 stands for the whole document. */
  vectors: { ordinal: number; embedding: Float32Array }[];
}
