/** Whether a provider can do what a spec asks for: refused at the request, not at the boot. */
import { FlintlockError } from "../domain/errors.ts";
import type { CpuConfig, MicroVMSpec, RateLimits } from "../domain/microvm.ts";
import type { Capability, ProviderTraits } from "../ports/provider.ts";

/**
 * COMPAT: the words are upstream's.
 * @throws FlintlockError `failed_precondition` – it lacks a capability; `invalid_spec` – more processors than it gives
 */
export const checkCapabilities = (
  spec: MicroVMSpec,
  { capabilities, maxVcpu, name }: ProviderTraits,
): void => {
  const need: Need = (capability, field, what, hint) => {
    if (capabilities.has(capability)) return;
    throw new FlintlockError(
      "failed_precondition",
      `${field}: ${what} not supported by the microvm provider`,
      { detail: { field, provider: name }, hint },
    );
  };
  const macvtap = spec.interfaces.findIndex(({ type, isUserMode }) => type === "macvtap" && !isUserMode);
  if (macvtap >= 0) need("macvtap", `interfaces[${macvtap}].type`, "macvtap network interfaces");
  const virtiofs = spec.additionalVolumes.findIndex(({ source }) => source.kind === "virtiofs");
  if (virtiofs >= 0) need("virtiofs", `additional_volumes[${virtiofs}].source`, "virtiofs", VIRTIOFS_HINT);
  if (spec.ports.length > 0) need("user-network", "ports", "published ports");
  checkCpuConfig(spec.cpuConfig, need);
  checkLimits(spec.limits, capabilities.has("disk-limits"), need);
  if (spec.balloonMib !== undefined) need("balloon", "balloon_mib", "a memory balloon");
  if (spec.vcpu > maxVcpu) {
    throw new FlintlockError(
      "invalid_spec",
      `vcpu: ${spec.vcpu} is more than the ${maxVcpu} of provider ${name}`,
      { detail: { field: "vcpu" } },
    );
  }
};

type Need = (capability: Capability, field: string, what: string, hint?: string) => void;

const VIRTIOFS_HINT = "start the daemon as root, with virtiofsd and --virtiofs-root, where the provider can";

const checkCpuConfig = (config: CpuConfig | undefined, need: Need): void => {
  const { featuresToEnable = [], kvmCapabilitiesToDisable = [] } = config ?? {};
  const field = "cpu_config.features_to_enable";
  const isNumber = (name: string): boolean => /^[0-9]+$/.test(name);
  if (!featuresToEnable.every(isNumber)) need("cpu-features", field, "processor features");
  const number = featuresToEnable.findIndex(isNumber);
  if (number >= 0) need("kvm-capabilities", `${field}[${number}]`, "numbers of KVM capabilities");
  if (kvmCapabilitiesToDisable.length > 0) {
    need("kvm-capabilities", "cpu_config.kvm_capabilities_to_disable", "disabling KVM capabilities");
  }
};

const checkLimits = (limits: RateLimits | undefined, hasDiskLimits: boolean, need: Need): void => {
  const { networkBytesPerSecond, diskBytesPerSecond, diskOpsPerSecond } = limits ?? {};
  if (networkBytesPerSecond !== undefined) {
    need("rate-limits", "limits.network_bytes_per_second", "a limit of network interfaces");
  }
  if (hasDiskLimits) return;
  if (diskBytesPerSecond !== undefined)
    need("rate-limits", "limits.disk_bytes_per_second", "a limit of disks");
  if (diskOpsPerSecond !== undefined) need("rate-limits", "limits.disk_ops_per_second", "a limit of disks");
};
