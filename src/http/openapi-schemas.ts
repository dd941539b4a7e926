import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

/** A written JSON Schema. */
export type Components = Record<string, unknown>;

export interface SchemaWriter {
  /**
   * Writes one schema. What has an id, or refers to itself, goes to the components.
   * @param owner names what refers to itself without an id: must be unique
   * @throws Error when a component of that name exists and differs
   */
  write(schema: z.ZodType, owner: string): Components;
  readonly components: Record<string, Components>;
}

/** Collects zod schemas as JSON Schema (draft 2020-12, which OpenAPI 3.1 embeds) under `#/components/schemas/`. */
export function schemaWriter(): SchemaWriter {
  const components: Record<string, Components> = {};
  let anonymous = 0;
  const keep = (name: string, definition: Components) => {
    const { id: _id, ...schema } = definition;
    if (components[name] !== undefined && !isDeepStrictEqual(components[name], schema))
      throw new Error(`Two different schemas are called ${name}`);
    components[name] = schema;
  };
  return {
    components,
    write(schema, owner) {
      // Answers too are written as input: zod closes objects of the output kind, and answers may gain fields.
      const { $schema: _draft, $defs = {}, ...written } = z.toJSONSchema(schema, { io: 'input' });
      const names = new Map(
        Object.keys($defs).map((name) => [name, name.startsWith('__') ? `${owner}_${++anonymous}` : name]),
      );
      const renamed = <Value>(value: Value): Value =>
        JSON.parse(JSON.stringify(value), (key, child) => {
          if (key !== '$ref' || typeof child !== 'string') return child;
          const name = child.replace('#/$defs/', '');
          return `#/components/schemas/${names.get(name) ?? name}`;
        });
      for (const [name, definition] of Object.entries($defs))
        keep(names.get(name) ?? name, renamed(definition as Components));
      const own = z.globalRegistry.get(schema)?.id;
      if (own === undefined) return renamed(written);
      if (written.$ref === undefined) keep(own, renamed(written));
      return { $ref: `#/components/schemas/${own}` };
    },
  };
}
