import { systemContext } from '../artifacts/system.js';
import type { Services } from '../context.js';
import { isAcervoError } from '../errors/error.js';
import { changeHook, columnsOf } from './change.js';
import type { DisabledReason } from './schemas.js';

/**
 * Disables a hook by ourselves, with a row in the audit log, unless somebody has changed it since that revision.
 * @throws AcervoError `database:unavailable`, and others of `Database.transact`
 */
export async function disableHook(
  services: Services,
  id: string,
  revision: number,
  reason: DisabledReason,
): Promise<void> {
  const ctx = systemContext(services, 'hooks');
  const disabled_at = ctx.clock();
  try {
    const { audit_id } = await changeHook(
      ctx,
      id,
      (row) => ({
        columns: { ...columnsOf(row), enabled: false, disabled_reason: reason, disabled_at },
        beginAnew: false,
      }),
      { expectedRevision: revision },
    );
    if (audit_id === undefined) return;
    services.metrics.hooksDisabled.inc({ reason });
    services.log.warn({ hook_id: id, reason }, 'a hook has been disabled');
  } catch (error) {
    // It was changed or deleted meanwhile: whoever did that has decided.
    if (!isAcervoError(error, 'revision:mismatch') && !isAcervoError(error, 'hook:not_found')) throw error;
  }
}
