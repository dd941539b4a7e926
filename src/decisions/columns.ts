import { digestOf } from '../http/digest.js';
import { salted } from '../knowledge/prepare.js';
import type { Decision, OutcomeInput } from './schemas.js';

/** What the client says of a decision, beside its reasoning. */
export type DecisionColumns = Pick<Decision, 'agent_id' | 'session_id' | 'decision_type' | 'outcome' | 'metadata'>;

/** An outcome as it is recorded now; the same again keeps its time. */
export function recorded(given: OutcomeInput, before: Decision['outcome'], now: Date): Decision['outcome'] {
  const same = before !== undefined && before.status === given.status && before.summary === given.summary;
  return same ? before : { ...given, recorded_at: now.toISOString() };
}

/**
 * The columns as the database takes them, with the salted digest of the state that they make, and the part of the audit
 * row that may be erased.
 */
export function writtenColumns(said: DecisionColumns, reasoning: string) {
  const { agent_id, session_id, decision_type, outcome, metadata } = said;
  const { salt, state_digest } = salted(
    digestOf({ agent_id, session_id, decision_type, outcome, metadata, reasoning }),
  );
  const dated = outcome && { ...outcome, recorded_at: new Date(outcome.recorded_at) };
  const columns = { agent_id, session_id, decision_type, outcome: dated, metadata };
  return { columns: { ...columns, state_digest }, audit_values: { salt, columns } };
}
