/**
 * The places where a crash would leave the database and the object store apart: between the steps of every change that
 * touches both. A test walks the list, ends the process at each, and looks at what the next start makes of it.
 */
export const FAULT_POINTS = [
  'reserve:pointer_made',
  'reserve:upload_started',
  'upload:before_put',
  'upload:bytes_put',
  'upload:confirmed',
  'complete:before_assembly',
  'complete:assembled',
  'complete:confirmed',
  'delete:marked',
  'delete:removed',
  'delete:confirmed',
  'undelete:marked',
  'undelete:brought_back',
  'undelete:confirmed',
  'restore:copied',
  'restore:confirmed',
  'abandon:aborted',
] as const;

/** Where the warm index could be cut off: it is only a copy, and the next start must make it right. */
export const WARM_INDEX_POINTS = [
  'warm-index:building',
  'warm-index:before_apply',
  'warm-index:snapshot_written',
  'warm-index:snapshot_renamed',
] as const;

export type FaultPoint = (typeof FAULT_POINTS)[number] | (typeof WARM_INDEX_POINTS)[number];

/** Called between steps; does nothing unless the configuration names the point. */
export type PassFaultPoint = (point: FaultPoint) => void;

/** Ends the process as kill -9 would, at the one point that is named. */
export function faultPoints(named: string | undefined): PassFaultPoint {
  return (point) => {
    if (point === named) process.kill(process.pid, 'SIGKILL');
  };
}
