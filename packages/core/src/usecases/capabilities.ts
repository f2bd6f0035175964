/** Whether a provider can do what a spec asks for: refused at the request, not at the boot. */
import { FlintlockError } from "../domain/errors.ts";
import type { CpuConfig, MicroVMSpec } from "../domain/microvm.ts";
import type { Capability, Provider } from "../ports/provider.ts";

/** COMPAT: the words are upstream's. */
export const checkedProvider = (spec: MicroVMSpec, provider: Provider | undefined): Provider => {
  if (provider === undefined) {
    throw new FlintlockError("unsupported", `provider: microvm provider ${spec.provider} isn't available`);
  }
  const need: Need = (capability, field, what) => {
    if (provider.traits.capabilities.has(capability)) return;
    throw new FlintlockError(
      "failed_precondition",
      `${field}: ${what} not supported by the microvm provider`,
      {
        detail: { field, provider: spec.provider },
      },
    );
  };
  const macvtap = spec.interfaces.findIndex(({ type, isUserMode }) => type === "macvtap" && !isUserMode);
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
