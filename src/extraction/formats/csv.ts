import { CsvError, parse } from 'csv-parse/sync';
import { AcervoError } from '../../errors/error.js';
import type { TextBuilder } from '../text-builder.js';
import { decodeText } from './decode.js';

const DELIMITERS = [',', ';', '\t'];

/** The delimiter that the first line has most of: spreadsheets of half of Europe write `;`. */
function delimiterOf(text: string): string {
  const firstLine = /^.*/.exec(text)?.[0] ?? '';
  const count = (delimiter: string) => firstLine.split(delimiter).length;
  return DELIMITERS.reduce((best, delimiter) => (count(delimiter) > count(best) ? delimiter : best));
}

/**
 * Each row on a line as `header: value; header: value`, so that a passage found by its words says what they are.
 * The first row is taken for the headers. Empty cells are left out.
 * @throws AcervoError `extraction:failed` for a quote that never ends
 */
export function readCsv(bytes: Uint8Array, out: TextBuilder): undefined {
  const text = decodeText(bytes);
  let headers: string[] | undefined;
  let rows = 0;
  const take = (cells: string[]) => {
    const values = cells.map((cell) => cell.replace(/\s+/g, ' ').trim());
    if (headers === undefined) {
      headers = values;
      return null;
    }
    rows += 1;
    out.breakLines(1);
    out.verbatim(rowText(headers, values));
    return null;
  };
  try {
    parse(text, {
      delimiter: delimiterOf(text),
      relax_column_count: true,
      relax_quotes: true,
      skip_records_with_empty_values: true,
      on_record: take,
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new AcervoError('extraction:failed', { detail: 'it is not CSV', cause: error });
  }
  if (rows === 0 && headers !== undefined) out.verbatim(rowText([], headers));
}

function rowText(headers: string[], values: string[]): string {
  return values
    .flatMap((value, column) => {
      if (value === '') return [];
      const header = headers[column];
      return header ? `${header}: ${value}` : value;
    })
    .join('; ');
}
