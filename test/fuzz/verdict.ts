/** What the daemon may answer to nonsense. INTERNAL, UNKNOWN and DATA_LOSS would be its own fault; silence is a hang. */
import { status } from "@grpc/grpc-js";

const HONEST: ReadonlySet<number> = new Set([
  status.OK,
  status.CANCELLED,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.PERMISSION_DENIED,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED,
]);

/** A simulated guest has no agent and no console, and says so. */
const needsGuest = (method: string): boolean => /Attach|Console|Exec|SSHProxy|Check/.test(method);

export const isHonestStatus = (code: number, method: string): boolean =>
  HONEST.has(code) || (code === status.UNAVAILABLE && needsGuest(method));

export const isHonestHttp = (code: number): boolean => code < 500;
