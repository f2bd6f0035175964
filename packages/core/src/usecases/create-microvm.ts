/** Accepts a microVM: every rule checked, the record durable, the rest left to the reconciler. */
import { type Caller, LOCAL_CALLER } from "../domain/caller.ts";
import type { CreateInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";
import type { CpuConfig, MicroVM, MicroVMSpec, PortPublication } from "../domain/microvm.ts";
import { MICROVM_FIELDS } from "../domain/microvm-fields.ts";
import { generatedName, parseName } from "../domain/names.ts";
import type { SpecLimits } from "../domain/spec-rules.ts";
import { parseSpec } from "../domain/spec-rules.ts";
import type { Uid } from "../domain/units.ts";
import { parseAll } from "../domain/violations.ts";
import type { HostPorts } from "../ports/host-ports.ts";
import type { IdSource } from "../ports/id-source.ts";
import type { Capability, Provider } from "../ports/provider.ts";
import type { Ports } from "../reconcile/ports.ts";
import type { KeptRequest } from "../records/repository.ts";
import { createOnce } from "./create-once.ts";
import { withCloudInit, withMetadataInterface } from "./metadata.ts";

export interface CreateParts {
  readonly ports: Ports;
  readonly ids: IdSource;
  readonly hostPorts: HostPorts;
  readonly limits: SpecLimits;
  /** Refuse a name that is in use on v1alpha1 as well, where upstream allows it */
  readonly hasUniqueNames: boolean;
  readonly poke: (uid: Uid) => void;
}

export const createMicroVM =
  (parts: CreateParts) =>
  (input: CreateInput, caller: Caller = LOCAL_CALLER): Promise<MicroVM> =>
    createOnce({ repository: parts.ports.repository, ids: parts.ids }, { input, caller }, (request) =>
      accept(parts, input, request),
    );

const accept = async (
  parts: CreateParts,
  input: CreateInput,
  request: KeptRequest | undefined,
): Promise<MicroVM> => {
  const { repository, clock } = parts.ports;
  const uid = parts.ids.uid();
  const { namespace, id, parsed } = parseAll({
    namespace: () => parseName(input.namespace || MICROVM_FIELDS.namespace.default, "namespace"),
    id: () => (input.id === "" ? generatedName(uid) : parseName(input.id, "id")),
    parsed: () => parseSpec(input, parts.limits),
  });
  const provider = checkedProvider(parsed, parts.ports.providers.get(parsed.provider));
  const { cloudInit } = parts.ports;
  const isWire = input.extension === undefined;
  const told = withCloudInit(withMetadataInterface(parsed, provider), uid, { cloudInit, isWire });
  const spec = { ...told, ports: await choosePorts(parsed.ports, parts.hostPorts) };
  // COMPAT: v1alpha1 lets a name be used again; a person's `--name` stands for one VM.
  if ((input.extension !== undefined || parts.hasUniqueNames) && repository.isNameTaken(namespace, id)) {
    throw new FlintlockError("already_exists", `microvm ${namespace}/${id} already exists`, {
      detail: { field: "id" },
      hint: "choose another name, or delete it first",
    });
  }
  const now = clock.now();
  const vm: MicroVM = {
    uid,
    id,
    namespace,
    spec,
    status: NEW_STATUS,
    createdAt: now,
    updatedAt: now,
    deletedAt: undefined,
    version: 1,
  };
  await repository.add(vm, request);
  parts.poke(uid);
  return vm;
};

const NEW_STATUS: MicroVM["status"] = {
  state: "pending",
  retry: 0,
  notBefore: undefined,
  failure: undefined,
  exit: undefined,
  images: {},
  volumes: {},
  kernelMount: undefined,
  initrdMount: undefined,
  networkInterfaces: {},
  timings: {},
};

/** COMPAT: the words are upstream's. */
const checkedProvider = (spec: MicroVMSpec, provider: Provider | undefined): Provider => {
  if (provider === undefined) {
    throw new FlintlockError("unsupported", `provider: microvm provider ${spec.provider} isn't available`);
  }
  const need: Need = (capability, field, what) => {
    if (provider.traits.capabilities.has(capability)) return;
    throw new FlintlockError("unsupported", `${field}: ${what} not supported by the microvm provider`, {
      detail: { field, provider: spec.provider },
    });
  };
  const macvtap = spec.interfaces.findIndex(({ type }) => type === "macvtap");
  if (macvtap >= 0) need("macvtap", `interfaces[${macvtap}].type`, "macvtap network interfaces");
  const virtiofs = spec.additionalVolumes.findIndex(({ source }) => source.kind === "virtiofs");
  if (virtiofs >= 0) need("virtiofs", `additional_volumes[${virtiofs}].source`, "virtiofs");
  if (spec.interfaces.length === 0) need("user-network", "interfaces", "a user-mode network");
  checkCpuConfig(spec.cpuConfig, need);
  if (spec.vcpu > provider.traits.maxVcpu) {
    throw new FlintlockError(
      "invalid_spec",
      `vcpu: ${spec.vcpu} is more than the ${provider.traits.maxVcpu} of provider ${spec.provider}`,
      { detail: { field: "vcpu" } },
    );
  }
  return provider;
};

type Need = (capability: Capability, field: string, what: string) => void;

const checkCpuConfig = (config: CpuConfig | undefined, need: Need): void => {
  const { featuresToEnable = [], kvmCapabilitiesToDisable = [] } = config ?? {};
  const field = "cpu_config.features_to_enable";
  if (featuresToEnable.length > 0) need("cpu-features", field, "processor features");
  const number = featuresToEnable.findIndex((name) => /^[0-9]+$/.test(name));
  if (number >= 0) need("kvm-capabilities", `${field}[${number}]`, "numbers of KVM capabilities");
  if (kvmCapabilitiesToDisable.length > 0) {
    need("kvm-capabilities", "cpu_config.kvm_capabilities_to_disable", "disabling KVM capabilities");
  }
};

const choosePorts = async (
  ports: readonly PortPublication[],
  hostPorts: HostPorts,
): Promise<readonly PortPublication[]> => {
  const chosen: PortPublication[] = [];
  for (const port of ports) chosen.push(await hostPorts.choose(port));
  return chosen;
};
