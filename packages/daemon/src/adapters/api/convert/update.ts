/** `flintlock.v1.UpdateRequest` as the core takes it, and its answer. */
import { create } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import type { Effect, Updated, UpdateInput } from "@flintlock/core";
import { ACTION_INPUT, portInput, RESTART_INPUT } from "./create-input.ts";
import { wireExtended } from "./extension.ts";

export const updateInputOf = (request: ext.UpdateRequest): UpdateInput => ({
  ifVersion: request.ifVersion,
  labels: request.labels,
  removeLabels: request.removeLabels,
  restart: RESTART_INPUT[request.restart] ?? String(request.restart),
  maxRestarts: request.maxRestarts,
  isProtected: request.protected,
  vcpu: request.vcpu,
  memoryInMb: request.memoryInMb,
  limits: request.limits && limitsOf(request.limits),
  balloonMib: request.balloonMib,
  publish: request.publish.map(portInput),
  unpublish: request.unpublish.map(portInput),
  diskInMb: request.diskInMb,
  volumeSizes: request.volumeSizes.map(({ id, sizeInMb }) => ({ id, sizeInMb })),
  expiry: expiryInputOf(request),
});

const limitsOf = (limits: ext.LimitChanges): UpdateInput["limits"] => ({
  ...(limits.networkBytesPerSecond !== undefined && {
    networkBytesPerSecond: Number(limits.networkBytesPerSecond),
  }),
  ...(limits.diskBytesPerSecond !== undefined && { diskBytesPerSecond: Number(limits.diskBytesPerSecond) }),
  ...(limits.diskOpsPerSecond !== undefined && { diskOpsPerSecond: limits.diskOpsPerSecond }),
});

const expiryInputOf = ({ ttlSeconds, idleSeconds, expiryAction }: ext.UpdateRequest) => {
  if (ttlSeconds === undefined && idleSeconds === undefined && expiryAction === 0) return undefined;
  return { ttlSeconds, idleSeconds, action: ACTION_INPUT[expiryAction] ?? String(expiryAction) };
};

const EFFECTS = {
  live: ext.Change_Effect.LIVE,
  "next-start": ext.Change_Effect.NEXT_START,
} as const satisfies Record<Effect, ext.Change_Effect>;

export const wireUpdated = ({ microvm, changes }: Updated): ext.UpdateResponse =>
  create(ext.UpdateResponseSchema, {
    microvm: wireExtended(microvm),
    changes: changes.map(({ field, effect }) => ({ field, effect: EFFECTS[effect] })),
  });
