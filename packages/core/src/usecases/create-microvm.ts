/** Accepts a microVM: every rule checked, the record durable, the rest left to the reconciler. */
import type { Caller } from "../domain/caller.ts";
import type { CreateInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";
import { newExpiry } from "../domain/expiry.ts";
import type { MicroVM } from "../domain/microvm.ts";
import { MICROVM_FIELDS } from "../domain/microvm-fields.ts";
import { generatedName, parseName } from "../domain/names.ts";
import type { Quotas } from "../domain/quota.ts";
import { RUNNING } from "../domain/run-wish.ts";
import type { SpecLimits } from "../domain/spec-rules.ts";
import { parseSpec } from "../domain/spec-rules.ts";
import type { Uid } from "../domain/units.ts";
import { parseAll } from "../domain/violations.ts";
import type { HostPorts } from "../ports/host-ports.ts";
import type { IdSource } from "../ports/id-source.ts";
import type { Ports } from "../reconcile/ports.ts";
import { begin } from "../reconcile/tell.ts";
import type { KeptRequest } from "../records/repository.ts";
import { askCandidates } from "./candidates.ts";
import { choosePorts, neighbours } from "./choose-ports.ts";
import { chooseProvider } from "./choose-provider.ts";
import { createOnce } from "./create-once.ts";
import { checkNetworkConfig, withInstanceId, withMetadataInterface } from "./metadata.ts";
import { checkQuotas } from "./quota-check.ts";
import { checkSharedDirectories } from "./shared-directories.ts";

export interface CreateParts {
  readonly ports: Ports;
  readonly ids: IdSource;
  readonly hostPorts: HostPorts;
  readonly limits: SpecLimits;
  /** Refuse a name that is in use on v1alpha1 as well, where upstream allows it */
  readonly hasUniqueNames: boolean;
  readonly quotas: Quotas;
  readonly poke: (uid: Uid) => void;
  /** Resolves when the reconciler has nothing left to do for it now */
  readonly idle: (uid: Uid) => Promise<void>;
}

export const createMicroVM =
  (parts: CreateParts) =>
  (input: CreateInput, caller?: Caller): Promise<MicroVM> => {
    const creator = caller?.name ?? DAEMON_ITSELF;
    const once = { repository: parts.ports.repository, ids: parts.ids };
    return createOnce(once, { input, creator }, (request) => accept(parts, input, { creator, request }));
  };

const accept = async (
  parts: CreateParts,
  input: CreateInput,
  { creator, request }: { readonly creator: string; readonly request: KeptRequest | undefined },
): Promise<MicroVM> => {
  const { repository, clock, network, cloudInit, log, telemetry } = parts.ports;
  const uid = parts.ids.uid();
  const now = clock.now();
  const { namespace, id, parsed, expiry } = parseAll({
    namespace: () => parseName(input.namespace || MICROVM_FIELDS.namespace.default, "namespace"),
    id: () => (input.id === "" ? generatedName(uid) : parseName(input.id, "id")),
    parsed: () => parseSpec(input, parts.limits),
    expiry: () => input.extension?.expiry && newExpiry(undefined, input.extension.expiry, now, "expiry."),
  });
  const candidates = await askCandidates(parts.ports);
  const choice = chooseProvider(parsed, { candidates, network, isByDefault: input.provider === "" });
  await checkSharedDirectories(choice.spec, parts.ports.sharedDirectories);
  const isWire = input.extension === undefined;
  const linked = withMetadataInterface(choice.spec, choice.traits, isWire);
  checkNetworkConfig(linked, uid, cloudInit);
  const told = input.keepsMetadata ? linked : withInstanceId(linked, uid, { cloudInit, isWire });
  const spec = {
    ...told,
    ports: await choosePorts(parsed.ports, parts.hostPorts, () => neighbours(parts.ports, namespace)),
  };
  // COMPAT: v1alpha1 lets a name be used again; a person's `--name` stands for one VM.
  const needsUniqueName = !isWire || input.needsUniqueName === true || parts.hasUniqueNames;
  if (needsUniqueName && repository.isNameTaken(namespace, id)) {
    throw new FlintlockError("already_exists", `microvm ${namespace}/${id} already exists`, {
      detail: { field: "id" },
      hint: "choose another name, or delete it first",
    });
  }
  const vm: MicroVM = {
    uid,
    id,
    namespace,
    spec,
    status: NEW_STATUS,
    createdBy: creator,
    providerReason: choice.reason,
    createdAt: now,
    updatedAt: now,
    deletedAt: undefined,
    ...(input.extension?.isProtected && { isProtected: true }),
    ...(expiry !== undefined && { expiry }),
    run: RUNNING,
    version: 1,
    traceparent: input.traceparent,
  };
  // INVARIANT: nothing is awaited between the checks and `add`, which claims the place
  checkQuotas(repository.claimed(), vm, parts.quotas);
  const storing = begin(vm, clock, telemetry);
  await repository.add(vm, request);
  storing.end({ kind: "store" }, "ok");
  log.info("microvm accepted", { uid, provider: spec.provider, reason: choice.reason });
  parts.poke(uid);
  return vm;
};

/** Creator of what no caller asked for by name, such as the probe of a host check. */
const DAEMON_ITSELF = "flintlockd";

const NEW_STATUS: MicroVM["status"] = {
  state: "pending",
  retry: 0,
  notBefore: undefined,
  failure: undefined,
  exit: undefined,
  restarts: 0,
  images: {},
  volumes: {},
  kernelMount: undefined,
  initrdMount: undefined,
  networkInterfaces: {},
  timings: {},
};
