// A retrieval collection on disk: documents.jsonl, queries.jsonl, qrels.tsv, doc_emb.npy, query_emb.npy.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The rows of a two-dimensional little-endian float32 array. Source: numpy.lib.format, versions 1.0 to 3.0.
 * @param {Buffer} file
 * @returns {{rows: Float32Array[], dimensions: number}}
 */
export function parseNpy(file) {
  if (file.toString('latin1', 0, 6) !== '\x93NUMPY') throw new Error('not an .npy file');
  const [lengthBytes, headerLength] = file[6] === 1 ? [2, file.readUInt16LE(8)] : [4, file.readUInt32LE(8)];
  const start = 8 + lengthBytes + headerLength;
  const header = file.toString('latin1', 8 + lengthBytes, start);
  const shape = /'shape': \((\d+), (\d+)\)/.exec(header);
  if (!header.includes("'descr': '<f4'") || !header.includes("'fortran_order': False") || shape === null)
    throw new Error(`float32 rows wanted, not ${header.trim()}`);
  const [rowCount, dimensions] = [Number(shape[1]), Number(shape[2])];
  if (file.length !== start + rowCount * dimensions * 4)
    throw new Error(`the file does not hold what it says: ${header.trim()}`);
  // A copy begins where floats may begin; the file's bytes lie anywhere.
  const values = new Float32Array(Uint8Array.from(file.subarray(start)).buffer);
  const rows = Array.from({ length: rowCount }, (_, row) => values.subarray(row * dimensions, (row + 1) * dimensions));
  return { rows, dimensions };
}

function readLines(path) {
  return readFileSync(path, 'utf8').split('\n').filter(Boolean);
}

/** Grades by query and document. A document that was judged twice has its highest grade. */
function readJudgements(path) {
  const judgements = new Map();
  for (const line of readLines(path)) {
    const [query, document, grade] = line.split('\t');
    if (!Number.isFinite(Number(grade ?? Number.NaN)))
      throw new Error(`qrels.tsv: not query, document, grade: ${line}`);
    if (!judgements.has(query)) judgements.set(query, new Map());
    const grades = judgements.get(query);
    grades.set(document, Math.max(Number(grade), grades.get(document) ?? 0));
  }
  return judgements;
}

/** Rows of a .jsonl file, each with its vector. */
function withVectors(directory, jsonl, npy) {
  const entries = readLines(join(directory, jsonl)).map((line) => JSON.parse(line));
  const { rows, dimensions } = parseNpy(readFileSync(join(directory, npy)));
  if (rows.length !== entries.length)
    throw new Error(`${jsonl} has ${entries.length} lines, ${npy} ${rows.length} rows`);
  return { entries: entries.map((entry, row) => ({ ...entry, vector: Array.from(rows[row]) })), dimensions };
}

/** @returns documents {id, title, text, vector}, queries {id, text, vector}, judgements, dimensions */
export function readCollection(directory) {
  const documents = withVectors(directory, 'documents.jsonl', 'doc_emb.npy');
  const queries = withVectors(directory, 'queries.jsonl', 'query_emb.npy');
  if (documents.dimensions !== queries.dimensions) throw new Error('documents and queries differ in dimensions');
  return {
    documents: documents.entries,
    queries: queries.entries,
    judgements: readJudgements(join(directory, 'qrels.tsv')),
    dimensions: documents.dimensions,
  };
}
