import { open } from "node:fs/promises";

export const KVM_DEVICE = "/dev/kvm";

/** What to do where KVM is lacking. */
export const KVM_HINT =
  "Load KVM's module (modprobe kvm_intel or kvm_amd), and join the group of /dev/kvm; inside a VM, its host must allow nested virtualisation.";

/** Why KVM cannot even be tried; undefined when its device opens, which does not prove that a guest runs. */
export const kvmObstacle = async (device: string = KVM_DEVICE): Promise<string | undefined> => {
  try {
    await using _device = await open(device, "r+");
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code === "ENOENT") return `there is no ${device}`;
    if (code === "EACCES" || code === "EPERM")
      return `${device} may not be opened; join its group to use KVM`;
    return `${device} cannot be opened (${code})`;
  }
};
