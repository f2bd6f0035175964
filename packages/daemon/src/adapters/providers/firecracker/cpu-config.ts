/** A machine's wishes for its processor as Firecracker's custom CPU template (its docs/cpu_templates). */
import { FlintlockError, type Machine } from "@flintlock/core";

export interface CpuTemplate {
  /** Numbers of KVM's capabilities that must be there; `!` = done without */
  readonly kvm_capabilities: readonly string[];
}

const MAX_CAPABILITY = 2 ** 32 - 1;

/**
 * Undefined when there are no wishes.
 * @throws FlintlockError `unsupported` – a processor feature by name; `invalid_spec` – no number of a capability
 */
export const cpuTemplate = ({
  cpuFeatures = [],
  disabledKvmCapabilities = [],
}: Machine): CpuTemplate | undefined => {
  const needed = cpuFeatures.map((name, index) => {
    const field = `cpu_config.features_to_enable[${index}]`;
    if (/^\d+$/.test(name)) return capability(name, field);
    // The host's features are the guest's already, and a bit that KVM does not offer would be a lie.
    throw new FlintlockError("unsupported", `${field}: Firecracker takes numbers of KVM capabilities only`, {
      detail: { field },
      hint: `Leave ${name} out: the guest has every feature of the host's processor that KVM offers.`,
    });
  });
  const removed = disabledKvmCapabilities.map(
    (name, index) => `!${capability(name, `cpu_config.kvm_capabilities_to_disable[${index}]`)}`,
  );
  const all = [...needed, ...removed];
  return all.length === 0 ? undefined : { kvm_capabilities: all };
};

const capability = (name: string, field: string): string => {
  const number = Number(name);
  if (/^\d+$/.test(name) && number <= MAX_CAPABILITY) return String(number);
  throw new FlintlockError("invalid_spec", `${field}: must be a number up to ${MAX_CAPABILITY}`, {
    detail: { field },
  });
};
