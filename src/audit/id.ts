/** What a row of the audit log is called: `<time>_<uuid>`, in answers, in `acervo-audit-id`, and in `after` of a search. */
export const auditIdText = ([time, uuid]: [time: string, uuid: string]): string => `${time}_${uuid}`;

/** The time and the uuid of an id. */
export function partsOfAuditId(id: string): [time: string, uuid: string] {
  const cut = id.indexOf('_');
  return [id.slice(0, cut), id.slice(cut + 1)];
}
