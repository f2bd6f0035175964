/** The kernel's command line on Firecracker. */
import { invalidField, kernelParameters, lastValues, type Machine } from "@flintlock/core";
import { completedCmdline, kernelCmdline } from "../shared/cmdline.ts";

/** CMDLINE_MAX_SIZE, less the final NUL (Firecracker: src/vmm/src/arch) */
const MAX_BYTES = 2047;
/** ` virtio_mmio.device=4K@0xd0000000:23`, which Firecracker adds for each device */
const DEVICE_BYTES = 40;
/** ` root=PARTUUID=<36 characters> rw`, which it adds for the root device */
const ROOT_BYTES = 64;
const METADATA_SEED = "nocloud-net;s=http://169.254.169.254/latest/";

export interface BootFacts {
  readonly hasPci: boolean;
  /** Devices on the MMIO bus */
  readonly devices: number;
}

/**
 * COMPAT: upstream's defaults first, but for `i8042.nopnp`: with it a kernel that has ACPI is deaf to Ctrl+Alt+Del, by
 * which guests are asked to end (Firecracker 1.12, #5074). No `root=`: Firecracker adds it for the root device.
 * @throws FlintlockError `invalid_spec` – see shared/cmdline.ts; or no room for what Firecracker adds
 */
export const bootArgs = (machine: Machine, facts: BootFacts): string => {
  const { cmdline, wholeCmdline } = machine;
  const line =
    wholeCmdline === undefined
      ? kernelCmdline(defaults(machine, facts), cmdline)
      : completedCmdline({ ...needed(facts), ...cmdline }, wholeCmdline);
  const room = MAX_BYTES - ROOT_BYTES - (facts.hasPci ? 0 : facts.devices * DEVICE_BYTES);
  const length = Buffer.byteLength(line);
  if (length <= room) return line;
  throw invalidField(
    "kernel.cmdline",
    `is ${length} bytes with the defaults; beside what Firecracker adds for ${facts.devices} devices there is room for ${room}`,
  );
};

/** Whether the caller says where the root file system is. */
export const namesRoot = ({ cmdline, wholeCmdline }: Machine): boolean =>
  Object.hasOwn(cmdline, "root") ||
  (wholeCmdline !== undefined && Object.hasOwn(lastValues(kernelParameters(wholeCmdline)), "root"));

const defaults = (machine: Machine, facts: BootFacts): Readonly<Record<string, string>> => ({
  console: "ttyS0",
  reboot: "k",
  panic: "1",
  ...needed(facts),
  "i8042.noaux": "",
  "i8042.nomux": "",
  "i8042.dumbkbd": "",
  ...(machine.metadata !== undefined && { ds: METADATA_SEED }),
  // A guest of ours boots faster without; what others' images expect stays as they know it.
  ...(machine.guest !== undefined && { quiet: "", "cryptomgr.notests": "" }),
});

/** Firecracker has no power button to release: a guest ends its VMM by the keyboard controller's reset. */
const needed = ({ hasPci }: BootFacts): Readonly<Record<string, string>> => ({
  reboot: "k",
  ...(!hasPci && { pci: "off" }),
});
