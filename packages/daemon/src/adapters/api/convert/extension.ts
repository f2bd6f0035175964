/** `MicroVM` to `flintlock.v1.MicroVM`: the contract's own object, and beside it what that object cannot say. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ext } from "@flintlock/api";
import type {
  ExpiryAction,
  Failure,
  GuestExit,
  MicroVM,
  MicroVMSpec,
  MicroVMState,
  RateLimits,
  RestartPolicy,
  RunWish,
} from "@flintlock/core";
import { timestamp, wireMicroVM } from "./microvm.ts";

const STATES = {
  pending: ext.State.PENDING,
  created: ext.State.RUNNING,
  paused: ext.State.PAUSED,
  stopped: ext.State.STOPPED,
  exited: ext.State.EXITED,
  failed: ext.State.FAILED,
  deleting: ext.State.DELETING,
} as const satisfies Record<MicroVMState, ext.State>;

const WISHES = {
  running: ext.State.RUNNING,
  paused: ext.State.PAUSED,
  stopped: ext.State.STOPPED,
} as const satisfies Record<RunWish["state"], ext.State>;

const RESTARTS = {
  no: ext.RestartPolicy.NO,
  "on-failure": ext.RestartPolicy.ON_FAILURE,
  "unless-stopped": ext.RestartPolicy.UNLESS_STOPPED,
  always: ext.RestartPolicy.ALWAYS,
} as const satisfies Record<RestartPolicy, ext.RestartPolicy>;

export const wireExtended = (vm: MicroVM): ext.MicroVM => {
  const { exit, failure } = vm.status;
  return create(ext.MicroVMSchema, {
    microvm: wireMicroVM(vm),
    process: wireProcess(vm.spec.process),
    ports: vm.spec.ports.map(({ hostIp, hostPort, guestPort, protocol }) => ({
      hostIp,
      hostPort,
      guestPort,
      protocol,
    })),
    state: wireState(vm.status.state),
    exit: exit && wireExit(exit),
    failure: failure && wireFailure(failure),
    timings: Object.entries(vm.status.timings).map(([step, ms]) => ({ step, ms })),
    restart: RESTARTS[vm.spec.restart],
    creator: vm.createdBy,
    desiredState: WISHES[vm.run.state],
    restarts: vm.status.restarts,
    maxRestarts: vm.spec.maxRestarts ?? 0,
    reason: vm.status.reason ?? "",
    providerReason: vm.providerReason ?? "",
    limits: vm.spec.limits && wireLimits(vm.spec.limits),
    balloonMib: vm.spec.balloonMib,
    protected: vm.isProtected ?? false,
    ...wireReadiness(vm),
    ...wireExpiry(vm),
  });
};

const wireLimits = ({
  networkBytesPerSecond = 0,
  diskBytesPerSecond = 0,
  diskOpsPerSecond = 0,
}: RateLimits): ext.RateLimits =>
  create(ext.RateLimitsSchema, {
    networkBytesPerSecond: BigInt(networkBytesPerSecond),
    diskBytesPerSecond: BigInt(diskBytesPerSecond),
    diskOpsPerSecond,
  });

const wireReadiness = ({ spec: { readyWhen }, status }: MicroVM) => {
  if (readyWhen === undefined) return {};
  const { conditionsMet: met } = status;
  const isOfThisRun = met !== undefined && met.readyAt === status.readyAt;
  return {
    readyWhen: { conditions: [...readyWhen.conditions], timeoutSeconds: readyWhen.timeoutMs / 1000 },
    conditionsMet: Object.entries(isOfThisRun ? met.at : {}).map(([condition, at]) => ({
      condition,
      at: timestamp(at),
    })),
  };
};

const wireExpiry = ({ expiry, status: { expired } }: MicroVM) => ({
  ...(expiry !== undefined && {
    expiry: {
      ...(expiry.at !== undefined && { at: timestamp(expiry.at) }),
      idleSeconds: (expiry.idleMs ?? 0) / 1000,
      action: expiry.action === undefined ? ext.Expiry_Action.ACTION_UNSPECIFIED : ACTIONS[expiry.action],
    },
  }),
  ...(expired !== undefined && {
    expired: { cause: expired.cause, action: ACTIONS[expired.action], at: timestamp(expired.at) },
  }),
});

const ACTIONS = {
  delete: ext.Expiry_Action.DELETE,
  stop: ext.Expiry_Action.STOP,
} as const satisfies Record<ExpiryAction, ext.Expiry_Action>;

export const wireState = (state: MicroVMState): ext.State => STATES[state];

export const wireExit = ({ code, reason, at }: GuestExit): MessageInitShape<typeof ext.ExitSchema> => ({
  code,
  reason,
  at: timestamp(at),
});

export const wireFailure = ({ at, ...failure }: Failure): MessageInitShape<typeof ext.FailureSchema> => ({
  step: failure.step,
  code: failure.code,
  message: failure.message,
  at: timestamp(at),
});

const wireProcess = (process: MicroVMSpec["process"]): ext.Process =>
  create(ext.ProcessSchema, {
    command: [...(process.command ?? [])],
    entrypoint: [...(process.entrypoint ?? [])],
    setEntrypoint: process.entrypoint !== undefined,
    env: { ...process.env },
    user: process.user ?? "",
    cwd: process.cwd ?? "",
    tty: process.tty,
    attach: process.attach,
  });
