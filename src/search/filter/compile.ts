import type { CompiledStatement, Params } from '../../surreal/database.js';
import type { Condition, Filter, FilterPath, FilterValue } from './ast.js';

/**
 * A filter as one boolean SurrealQL expression. All values are bound, as `$f0`, `$f1`, …; the text holds nothing of the
 * request but checked paths. It parses on the server (limits: about 128 operators and 20 parentheses deep), with levels to spare for the query around it.
 * @param prefix where the document is, a constant of the code: `''`, or through a record link `'document.'`
 */
export function compileFilter(filter: Filter, prefix = ''): CompiledStatement {
  const params: Params = {};
  const writer: Writer = {
    prefix,
    bind(value) {
      const name = `f${Object.keys(params).length}`;
      params[name] = value;
      return `$${name}`;
    },
  };
  return { text: write(writer, filter), params };
}

interface Writer {
  prefix: string;
  /** Binds a value and returns its name in the text. */
  bind(value: unknown): string;
}

/** Longer chains are folded: the engines' parsers nest a chain once for each operator. */
const MAX_CHAIN = 32;

/** Every expression that this returns can stand beside any operator. */
function write(writer: Writer, filter: Filter): string {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      if (filter.of.length === 0) return filter.kind === 'and' ? 'true' : 'false';
      // The first member of a chain is nested deepest: groups come last, so that depths do not add up.
      const members = [...filter.of.filter(isFlat), ...filter.of.filter((member) => !isFlat(member))];
      const texts = members.map((member) => write(writer, member));
      return chain(texts, filter.kind === 'and' ? ' AND ' : ' OR ');
    }
    case 'not':
      return `!${write(writer, filter.of)}`;
    default:
      return writeCondition(writer, filter);
  }
}

function chain(texts: string[], operator: ' AND ' | ' OR '): string {
  if (texts.length <= MAX_CHAIN) return `(${texts.join(operator)})`;
  const size = Math.ceil(Math.sqrt(texts.length));
  const links = Array.from({ length: Math.ceil(texts.length / size) }, (_, index) =>
    chain(texts.slice(index * size, (index + 1) * size), operator),
  );
  return chain(links, operator);
}

function isFlat(filter: Filter): boolean {
  if (filter.kind === 'not') return isFlat(filter.of);
  return filter.kind !== 'and' && filter.kind !== 'or';
}

const SIGNS = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

function writeCondition(writer: Writer, condition: Condition): string {
  const { guards, operand } = target(writer.prefix, condition.path);
  const tests = [...guards];
  switch (condition.kind) {
    case 'exists':
      tests.push(`${operand} IS NOT NONE`);
      break;
    case 'in':
      tests.push(`${operand} IN ${bindList(writer, condition.values)}`);
      break;
    case 'contains': {
      const isArray = `type::is_array(${operand})`;
      // CONTAINS also looks among the keys of objects: the guard keeps it to lists and strings.
      tests.push(typeof condition.value === 'string' ? `(${isArray} OR type::is_string(${operand}))` : isArray);
      tests.push(`${operand} CONTAINS ${bindValue(writer, condition.value)}`);
      break;
    }
    default:
      // SurrealDB orders values of different types (NONE before numbers before strings): order only within one.
      if (condition.kind !== 'eq' && typeof condition.value === 'number') tests.push(`type::is_number(${operand})`);
      if (condition.kind !== 'eq' && typeof condition.value === 'string') tests.push(`type::is_string(${operand})`);
      tests.push(`${operand} ${SIGNS[condition.kind]} ${bindValue(writer, condition.value)}`);
  }
  return `(${tests.join(' AND ')})`;
}

/** The expression that reads a path, and what must hold before it is read. */
function target(prefix: string, { column, segments, type }: FilterPath): { guards: string[]; operand: string } {
  const path = `${prefix}${[column, ...segments.map((segment) => `\`${segment}\``)].join('.')}`;
  // Behind a link whose document is gone there is no id, and record::id would fail the query.
  if (column === 'id') return { guards: [`type::is_record(${path})`], operand: `record::id(${path})` };
  if (type === 'datetime') return { guards: [`type::is_datetime(${path})`], operand: `time::floor(${path}, 1ms)` };
  // A path through an array would be mapped over its elements; whatever is above, the parent is then an array.
  const parent = path.slice(0, path.lastIndexOf('.'));
  return { guards: segments.length > 1 ? [`type::is_object(${parent})`] : [], operand: path };
}

/**
 * The type to cast to, for values that SDK 2.0.8 cannot encode: whole numbers beyond ±2^53, and times before 1970. They
 * are bound as text, and arrive exactly.
 */
function castOf(value: FilterValue): 'float' | 'datetime' | undefined {
  if (value instanceof Date) return value.getTime() < 0 ? 'datetime' : undefined;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? 'float' : undefined;
}

function bindValue(writer: Writer, value: FilterValue): string {
  const cast = castOf(value);
  if (cast === undefined) return writer.bind(value);
  return `type::${cast}(${writer.bind(value instanceof Date ? value.toISOString() : String(value))})`;
}

function bindList(writer: Writer, values: readonly FilterValue[]): string {
  if (values.every((value) => castOf(value) === undefined)) return writer.bind([...values]);
  return `[${values.map((value) => bindValue(writer, value)).join(', ')}]`;
}
