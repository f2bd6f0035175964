/** Accepts a microVM: every rule checked, the record durable, the rest left to the reconciler. */
import type { Caller } from "../domain/caller.ts";
import type { CreateInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";
import type { MicroVM, MicroVMSpec, NetworkInterface, PortPublication } from "../domain/microvm.ts";
import { MICROVM_FIELDS } from "../domain/microvm-fields.ts";
import { generatedName, parseName } from "../domain/names.ts";
import type { Quotas } from "../domain/quota.ts";
import type { SpecLimits } from "../domain/spec-rules.ts";
import { parseSpec } from "../domain/spec-rules.ts";
import type { Uid } from "../domain/units.ts";
import { parseAll } from "../domain/violations.ts";
import type { HostPorts } from "../ports/host-ports.ts";
import type { IdSource } from "../ports/id-source.ts";
import type { NetworkManager } from "../ports/network-manager.ts";
import type { Capability, Provider } from "../ports/provider.ts";
import type { Ports } from "../reconcile/ports.ts";
import { begin } from "../reconcile/tell.ts";
import { checkQuotas } from "./quota-check.ts";

export interface CreateParts {
  readonly ports: Ports;
  readonly ids: IdSource;
  readonly hostPorts: HostPorts;
  readonly limits: SpecLimits;
  /** Refuse a name that is in use on v1alpha1 as well, where upstream allows it */
  readonly hasUniqueNames: boolean;
  readonly quotas: Quotas;
  readonly poke: (uid: Uid) => void;
}

export const createMicroVM =
  (parts: CreateParts) =>
  async (input: CreateInput, caller?: Caller): Promise<MicroVM> => {
    const { repository, clock, telemetry } = parts.ports;
    const uid = parts.ids.uid();
    const { namespace, id, parsed } = parseAll({
      namespace: () => parseName(input.namespace || MICROVM_FIELDS.namespace.default, "namespace"),
      id: () => (input.id === "" ? generatedName(uid) : parseName(input.id, "id")),
      parsed: () => parseSpec(input, parts.limits),
    });
    const provider = parts.ports.providers.get(parsed.provider);
    const interfaces = parsed.interfaces.map((iface, index) =>
      withLink(iface, index, parts.ports.network, provider),
    );
    checkCapabilities({ ...parsed, interfaces }, provider);
    const spec = { ...parsed, interfaces, ports: await choosePorts(parsed.ports, parts.hostPorts) };
    // COMPAT: v1alpha1 lets a name be used again; a person's `--name` stands for one VM.
    const needsUniqueName =
      input.extension !== undefined || input.needsUniqueName === true || parts.hasUniqueNames;
    if (needsUniqueName && repository.isNameTaken(namespace, id)) {
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
      createdBy: caller?.name ?? DAEMON_ITSELF,
      createdAt: now,
      updatedAt: now,
      deletedAt: undefined,
      version: 1,
      traceparent: input.traceparent,
    };
    // INVARIANT: nothing is awaited between the checks and `add`, which claims the place
    checkQuotas(repository.claimed(), vm, parts.quotas);
    const storing = begin(vm, clock, telemetry);
    await repository.add(vm);
    storing.end({ kind: "store" }, "ok");
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
  images: {},
  volumes: {},
  kernelMount: undefined,
  initrdMount: undefined,
  networkInterfaces: {},
  timings: {},
};

/**
 * An interface that no bridge or parent of this daemon serves gets the user-mode network, where the provider has one: a
 * client of upstream always sends an interface, and a host without a network set up shall still run its VMs.
 * COMPAT: the words of the refusals are upstream's.
 */
const withLink = (
  iface: NetworkInterface,
  index: number,
  network: NetworkManager,
  provider: Provider | undefined,
): NetworkInterface => {
  if (iface.isForMetadata === true && iface.type === "tap") return withMetadataLink(iface, index, provider);
  if (network.serves(iface)) return iface;
  const field = `interfaces[${index}].${iface.address === undefined ? "type" : "address"}`;
  if (iface.address === undefined && provider?.traits.capabilities.has("user-network") === true) {
    return { ...iface, isUserMode: true };
  }
  const what = iface.type === "macvtap" ? "macvtap interfaces" : "attaching a TAP interface";
  throw new FlintlockError(
    "failed_precondition",
    `${field}: a parent network device name is required for ${what}`,
    {
      detail: { field },
      hint:
        iface.type === "macvtap"
          ? "start the daemon with --parent-iface, or leave out the address for the user-mode network"
          : "start the daemon with --bridge-name, or leave out the address for the user-mode network",
    },
  );
};

/**
 * Where there is no metadata service the interface is there, leads nowhere, and takes its place among the guest's: what
 * it was to carry comes on a disk. It is never on a bridge, as all of them have one address.
 */
const withMetadataLink = (
  iface: NetworkInterface,
  index: number,
  provider: Provider | undefined,
): NetworkInterface => {
  const capabilities = provider?.traits.capabilities;
  if (capabilities?.has("metadata-service")) return iface;
  if (capabilities?.has("user-network")) return { ...iface, isUserMode: true };
  const field = `interfaces[${index}]`;
  throw new FlintlockError(
    "unsupported",
    `${field}: metadata requests not supported by the microvm provider`,
    {
      detail: { field },
    },
  );
};

/** COMPAT: the words are upstream's. */
const checkCapabilities = (spec: MicroVMSpec, provider: Provider | undefined): void => {
  if (provider === undefined) {
    throw new FlintlockError("unsupported", `provider: microvm provider ${spec.provider} isn't available`);
  }
  const need = (capability: Capability, field: string, what: string): void => {
    if (provider.traits.capabilities.has(capability)) return;
    throw new FlintlockError("unsupported", `${field}: ${what} not supported by the microvm provider`, {
      detail: { field, provider: spec.provider },
    });
  };
  const macvtap = spec.interfaces.findIndex(({ type, isUserMode }) => type === "macvtap" && !isUserMode);
  if (macvtap >= 0) need("macvtap", `interfaces[${macvtap}].type`, "macvtap network interfaces");
  const virtiofs = spec.additionalVolumes.findIndex(({ source }) => source.kind === "virtiofs");
  if (virtiofs >= 0) need("virtiofs", `additional_volumes[${virtiofs}].source`, "virtiofs");
  if (spec.interfaces.length === 0) need("user-network", "interfaces", "a user-mode network");
  if (spec.vcpu > provider.traits.maxVcpu) {
    throw new FlintlockError(
      "invalid_spec",
      `vcpu: ${spec.vcpu} is more than the ${provider.traits.maxVcpu} of provider ${spec.provider}`,
      { detail: { field: "vcpu" } },
    );
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
