/** What a structure of the replica is made of, by name: it goes to disk as it is, and comes back the same. */
export type Parts = Record<string, Part>;

export type Part = Uint8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

/** @throws Error when the parts are not those that the structure was made of */
export function partOf<T extends Part>(parts: Parts, name: string, type: new (length: number) => T): T {
  const part = parts[name];
  if (part instanceof type) return part;
  throw new Error(`the part ${name} is missing`);
}

/** Adds texts to parts: the bytes of each in UTF-8, and where they end. */
export function putTexts(parts: Parts, name: string, texts: readonly string[]): void {
  const encoded = texts.map((text) => Buffer.from(text));
  const ends = new Float64Array(texts.length);
  let end = 0;
  encoded.forEach((bytes, index) => {
    end += bytes.length;
    ends[index] = end;
  });
  parts[`${name}.bytes`] = new Uint8Array(Buffer.concat(encoded));
  parts[`${name}.ends`] = ends;
}

/** @throws Error when the parts are not those that the structure was made of */
export function textsOf(parts: Parts, name: string): string[] {
  const part = partOf(parts, `${name}.bytes`, Uint8Array);
  const bytes = Buffer.from(part.buffer, part.byteOffset, part.byteLength);
  let start = 0;
  const texts = Array.from(partOf(parts, `${name}.ends`, Float64Array), (end) => {
    if (end < start) throw new Error(`the parts of ${name} do not fit together`);
    const text = bytes.toString('utf8', start, end);
    start = end;
    return text;
  });
  if (start !== bytes.length) throw new Error(`the parts of ${name} do not fit together`);
  return texts;
}
