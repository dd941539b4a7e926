/** The kinds of files that text is taken from. */
export type Kind = 'text' | 'html' | 'csv' | 'json' | 'ndjson' | 'pdf' | 'docx';

const BY_TYPE: ReadonlyMap<string, Kind> = new Map([
  ['text/plain', 'text'],
  ['text/markdown', 'text'],
  ['text/html', 'html'],
  ['text/csv', 'csv'],
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['application/ndjson', 'ndjson'],
  ['application/pdf', 'pdf'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
]);

const BY_ENDING: ReadonlyMap<string, Kind> = new Map([
  ['txt', 'text'],
  ['md', 'text'],
  ['markdown', 'text'],
  ['html', 'html'],
  ['htm', 'html'],
  ['csv', 'csv'],
  ['json', 'json'],
  ['ndjson', 'ndjson'],
  ['jsonl', 'ndjson'],
  ['pdf', 'pdf'],
  ['docx', 'docx'],
]);

/** Uploaders send these when they know no better: then the ending of the name says more. */
const VAGUE_TYPES = new Set(['application/octet-stream', 'text/plain']);

/**
 * What kind of file this is, by its content type (parameters are passed over), else by the ending of its name.
 * @returns undefined when no text can be taken from it
 */
export function kindOf({ content_type, name }: { content_type: string; name: string }): Kind | undefined {
  const type = content_type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const ending = /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  return (VAGUE_TYPES.has(type) ? BY_ENDING.get(ending) : undefined) ?? BY_TYPE.get(type);
}
