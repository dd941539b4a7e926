import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { ConfigError } from '../config.js';
import { DEFAULT_BUCKETS } from './buckets.js';
import type { LifecycleRule } from './lifecycle.js';

const TIER_PLACE = `\${MINIO_TIER}`;
const MAX_DAYS = 36_500;
const MAX_KEPT_VERSIONS = 100;
/** What S3 takes for a bucket. */
const MAX_RULES = 1000;

type Fault = (text: string) => void;
type Node = Record<string, unknown>;

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  ignoreDeclaration: true,
  isArray: (name) => name === 'Rule',
});

/**
 * Reads a lifecycle.xml (S3 API reference, `LifecycleConfiguration`; filters by prefix only).
 * @param tier storage class that stands for `${MINIO_TIER}`; undefined: transitions are left out
 * @returns the rules, and a line for each that is not in force
 * @throws ConfigError with all that is wrong, by rule
 */
export function parseLifecycle(
  xml: string,
  { tier, buckets }: { tier: string | undefined; buckets: readonly string[] },
): { rules: LifecycleRule[]; left_out: string[] } {
  const faults: string[] = [];
  const left_out: string[] = [];
  const rules: LifecycleRule[] = [];
  const ids = new Set<string>();
  for (const [index, node] of ruleNodes(xml, (text) => faults.push(`lifecycle: ${text}`)).entries()) {
    const id = textOf(node.ID) ?? `number ${index + 1}`;
    const fault: Fault = (text) => faults.push(`lifecycle rule ${id}: ${text}`);
    const rule = readRule(node, fault);
    if (ids.has(id)) fault('is there twice');
    ids.add(id);
    if (rule.transition !== undefined && rule.transition.tier !== TIER_PLACE) fault(`StorageClass is ${TIER_PLACE}`);
    const { transition, ...rest } = rule;
    if (!buckets.includes(rule.bucket)) {
      // Those of the file that comes with Acervo, where this installation has other buckets.
      if (DEFAULT_BUCKETS.split(',').includes(rule.bucket)) left_out.push(`${id}: there is no such bucket here`);
      else fault('its ID begins with no bucket of MINIO_BUCKETS and a colon');
    } else if (node.Status === 'Disabled') left_out.push(`${id}: it is disabled`);
    else if (transition === undefined) rules.push(rule);
    else if (tier !== undefined) rules.push({ ...rule, transition: { ...transition, tier } });
    else {
      left_out.push(`${id}: objects stay where they are, as no tier is configured`);
      if (Object.keys(rest).length > 3) rules.push(rest);
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return { rules, left_out };
}

/** The rules that a store has, each in a form that tells whether two are the same. */
export function comparableRules(xml: string): Map<string, string> {
  const nodes = ruleNodes(xml, () => undefined);
  return new Map(
    nodes.map((node) => {
      let foreign = node.Status !== 'Enabled';
      const rule = readRule(node, () => {
        foreign = true;
      });
      return [rule.id, foreign ? JSON.stringify(node) : comparable(rule)];
    }),
  );
}

/** A rule as `comparableRules` gives it. */
export const comparable = (rule: LifecycleRule): string => JSON.stringify(rule);

/** Rules as S3 takes them. */
export function lifecycleXml(rules: readonly LifecycleRule[]): string {
  return `<LifecycleConfiguration>${rules.map(ruleXml).join('')}</LifecycleConfiguration>`;
}

function ruleXml(rule: LifecycleRule): string {
  const { id, prefix, expire_after_days, expire_on, expire_lone_markers, transition, old_versions } = rule;
  const parts = [`<ID>${escaped(id)}</ID><Status>Enabled</Status><Filter><Prefix>${escaped(prefix)}</Prefix></Filter>`];
  if (expire_after_days !== undefined) parts.push(`<Expiration><Days>${expire_after_days}</Days></Expiration>`);
  if (expire_on !== undefined) parts.push(`<Expiration><Date>${expire_on}</Date></Expiration>`);
  if (expire_lone_markers)
    parts.push('<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>');
  if (transition !== undefined)
    parts.push(
      `<Transition><Days>${transition.after_days}</Days><StorageClass>${escaped(transition.tier)}</StorageClass></Transition>`,
    );
  if (old_versions !== undefined) {
    const keep = old_versions.keep > 0 ? `<NewerNoncurrentVersions>${old_versions.keep}</NewerNoncurrentVersions>` : '';
    const days = `<NoncurrentDays>${old_versions.after_days}</NoncurrentDays>`;
    parts.push(`<NoncurrentVersionExpiration>${days}${keep}</NoncurrentVersionExpiration>`);
  }
  return `<Rule>${parts.join('')}</Rule>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function ruleNodes(xml: string, fault: Fault): Node[] {
  const valid = XMLValidator.validate(xml);
  if (valid !== true) {
    fault(`line ${valid.err.line}: ${valid.err.msg}`);
    return [];
  }
  const { LifecycleConfiguration: top, ...others } = parser.parse(xml) as Node;
  if (top === undefined || Object.keys(others).length > 0) fault('its root is LifecycleConfiguration');
  const { Rule = [], ...unknown } = asNode(top, fault);
  for (const name of Object.keys(unknown)) fault(`knows no element ${name}`);
  const rules = Rule as unknown[];
  if (rules.length > MAX_RULES) fault(`has more than ${MAX_RULES} rules`);
  return rules.map((rule) => asNode(rule, fault));
}

function readRule(node: Node, fault: Fault): LifecycleRule {
  const { ID, Status, Filter, Expiration, Transition, NoncurrentVersionExpiration, ...more } = node;
  const { AbortIncompleteMultipartUpload, ...unknown } = more;
  for (const name of Object.keys(unknown)) fault(`knows no element ${name}`);
  if (Status !== 'Enabled' && Status !== 'Disabled') fault('Status is Enabled or Disabled');
  const id = textOf(ID) ?? '';
  if (id === '' || id.length > 255) fault('has an ID of 1 to 255 characters');
  const filter = fields(Filter ?? '', ['Prefix'], fault);
  const rule: LifecycleRule = {
    id,
    bucket: id.split(':')[0] ?? '',
    prefix: filter.Prefix ?? '',
    ...(Expiration === undefined ? {} : readExpiration(Expiration, fault)),
    ...(Transition === undefined ? {} : readTransition(Transition, fault)),
    ...(NoncurrentVersionExpiration === undefined ? {} : readOldVersions(NoncurrentVersionExpiration, fault)),
  };
  if (AbortIncompleteMultipartUpload !== undefined) {
    const { DaysAfterInitiation } = fields(AbortIncompleteMultipartUpload, ['DaysAfterInitiation'], fault);
    rule.abort_uploads_after_days = whole('DaysAfterInitiation', DaysAfterInitiation, 1, MAX_DAYS, fault);
  }
  if (Object.keys(rule).length === 3) fault('does nothing');
  return rule;
}

function readExpiration(node: unknown, fault: Fault): Partial<LifecycleRule> {
  const given = fields(node, ['Days', 'Date', 'ExpiredObjectDeleteMarker'], fault);
  const { Days, Date: date, ExpiredObjectDeleteMarker: marker } = given;
  if (Object.keys(given).length !== 1) fault('Expiration is one of Days, Date and ExpiredObjectDeleteMarker');
  if (date !== undefined) {
    const midnight = new Date(date);
    if (!/^\d{4}-\d\d-\d\dT00:00:00(\.0+)?Z$/.test(date) || Number.isNaN(midnight.getTime()))
      fault('Date is a midnight in UTC such as 2027-01-01T00:00:00Z');
    else return { expire_on: midnight.toISOString() };
  }
  if (Days !== undefined) return { expire_after_days: whole('Days', Days, 1, MAX_DAYS, fault) };
  if (marker !== undefined && marker !== 'true') fault('ExpiredObjectDeleteMarker is true');
  return marker === 'true' ? { expire_lone_markers: true } : {};
}

function readTransition(node: unknown, fault: Fault): Partial<LifecycleRule> {
  const { Days, StorageClass = '' } = fields(node, ['Days', 'StorageClass'], fault);
  if (StorageClass === '') fault('a Transition has a StorageClass');
  return { transition: { after_days: whole('Days', Days, 0, MAX_DAYS, fault), tier: StorageClass } };
}

function readOldVersions(node: unknown, fault: Fault): Partial<LifecycleRule> {
  const { NoncurrentDays, NewerNoncurrentVersions = '0' } = fields(
    node,
    ['NoncurrentDays', 'NewerNoncurrentVersions'],
    fault,
  );
  const after_days = whole('NoncurrentDays', NoncurrentDays, 1, MAX_DAYS, fault);
  const keep = whole('NewerNoncurrentVersions', NewerNoncurrentVersions, 0, MAX_KEPT_VERSIONS, fault);
  return { old_versions: { after_days, keep } };
}

/** The texts of an element's children, all of which must be known. */
function fields(node: unknown, known: string[], fault: Fault): Partial<Record<string, string>> {
  const texts: Partial<Record<string, string>> = {};
  for (const [name, value] of Object.entries(asNode(node, fault))) {
    const text = textOf(value);
    if (!known.includes(name)) fault(`knows no element ${name}`);
    else if (text === undefined) fault(`${name} is there twice, or is no plain text`);
    else texts[name] = text;
  }
  return texts;
}

function whole(name: string, text: string | undefined, from: number, to: number, fault: Fault): number {
  const value = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || value < from || value > to)
    fault(`${name} is a whole number from ${from} to ${to}`);
  return value;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function asNode(value: unknown, fault: Fault): Node {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Node;
  if (value !== '') fault(Array.isArray(value) ? 'an element is there twice' : 'has text where elements belong');
  return {};
}
