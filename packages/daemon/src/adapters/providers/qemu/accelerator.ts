/**
 * Can this host run a guest under KVM? A `/dev/kvm` that opens proves nothing: inside many virtual machines it
 * exists, and QEMU then aborts or the guest never executes an instruction. So a firmware of one instruction that
 * matters is run, once, and what came of it is remembered for this QEMU, kernel and processor.
 */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { FlintlockError } from "@flintlock/core";
import { KVM_DEVICE, kvmObstacle } from "../shared/kvm-device.ts";
import { outputOf } from "../shared/programs.ts";

const run = promisify(execFile);

export type Accelerator = "kvm" | "tcg";

export interface AcceleratorReport {
  readonly accelerator: Accelerator;
  /** Why, for people */
  readonly reason: string;
  /** A guess: the probe was not answered in time, which a busy host explains as well as a broken KVM */
  readonly isGuess?: true;
}

export interface Probe {
  readonly binary: string;
  /** Where the answer is kept */
  readonly stateFile: string;
  readonly device?: string;
  readonly timeoutMs?: number;
}

const TOO_SLOW = "a guest under KVM did not run its firmware in time";
/** A working KVM takes some 0.1 s, and seconds where the host is itself a guest, or busy */
const PROBE_TIMEOUT_MS = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024;
const MAX_STATE_BYTES = 4096;
/** What the firmware writes; isa-debug-exit ends QEMU with twice that, plus one */
const TOKEN = 0x10;
const PROBE_EXIT_CODE = TOKEN * 2 + 1;
const FIRMWARE_BYTES = 64 * 1024;
const RESET_VECTOR = FIRMWARE_BYTES - 16;

/**
 * Settles "auto" for this host.
 * @throws FlintlockError `unsupported` – QEMU cannot be run at all
 */
export const probeAccelerator = async (probe: Probe, signal: AbortSignal): Promise<AcceleratorReport> => {
  const key = await hostKey(probe, signal);
  const remembered = await recall(probe.stateFile, key);
  if (remembered !== undefined) return remembered;
  const report = await askKvm(probe, signal);
  // A host that was too busy to answer in time may answer tomorrow.
  if (report.isGuess !== true) await remember(probe.stateFile, key, report);
  return report;
};

const askKvm = async (probe: Probe, signal: AbortSignal): Promise<AcceleratorReport> => {
  const obstacle = await kvmObstacle(probe.device ?? KVM_DEVICE);
  if (obstacle !== undefined) return { accelerator: "tcg", reason: obstacle };
  const directory = await mkdtemp(join(tmpdir(), "flintlock-kvm-"));
  try {
    const firmware = join(directory, "firmware.bin");
    await writeFile(firmware, probeFirmware());
    return await tryKvm(probe, firmware, signal);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

const tryKvm = async (
  { binary, timeoutMs = PROBE_TIMEOUT_MS }: Probe,
  firmware: string,
  signal: AbortSignal,
): Promise<AcceleratorReport> => {
  const args = ["-M", "microvm,accel=kvm", "-cpu", "host", "-m", "16", "-nodefaults", "-no-user-config"];
  args.push("-no-reboot", "-display", "none", "-bios", firmware);
  args.push("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04");
  try {
    await run(binary, args, {
      signal,
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return { accelerator: "tcg", reason: "a guest under KVM ended without running its firmware" };
  } catch (error) {
    signal.throwIfAborted();
    return judge(error);
  }
};

const judge = (error: unknown): AcceleratorReport => {
  const { code, killed, stderr } = error as { code?: unknown; killed?: boolean; stderr?: unknown };
  if (code === PROBE_EXIT_CODE) return { accelerator: "kvm", reason: "a guest ran under KVM" };
  if (killed === true) return { accelerator: "tcg", reason: TOO_SLOW, isGuess: true };
  const words =
    String(stderr ?? "")
      .trim()
      .split("\n")[0]
      ?.slice(0, 200) ?? "";
  return { accelerator: "tcg", reason: `QEMU failed under KVM: ${words}` };
};

/** Real-mode code where an x86 processor starts: `mov al,TOKEN; mov dx,0xf4; out dx,al; hlt; jmp to hlt`. */
const probeFirmware = (): Uint8Array => {
  const firmware = Buffer.alloc(FIRMWARE_BYTES);
  Buffer.from([0xb0, TOKEN, 0xba, 0xf4, 0x00, 0xee, 0xf4, 0xeb, 0xfd]).copy(firmware, RESET_VECTOR);
  return firmware;
};

/** Changes when the answer might. */
const hostKey = async ({ binary, device = KVM_DEVICE }: Probe, signal: AbortSignal): Promise<string> => {
  const cpuinfo = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  const cpu = cpuinfo.match(/^model name\s*:\s*(.*)$/m)?.[1] ?? "unknown";
  const isOpenable = await access(device, constants.R_OK | constants.W_OK).then(
    () => "openable",
    () => "not openable",
  );
  return [await qemuVersion(binary, signal), release(), cpu, isOpenable].join(" | ");
};

/** First line of `--version`. @throws FlintlockError `unsupported` – it cannot be run */
export const qemuVersion = async (binary: string, signal: AbortSignal): Promise<string> => {
  try {
    const { stdout } = await outputOf(binary, ["--version"], signal);
    return stdout.split("\n")[0]?.slice(0, 200) ?? "";
  } catch (cause) {
    signal.throwIfAborted();
    throw new FlintlockError("unsupported", `QEMU (${binary}) cannot be run`, {
      hint: "Install QEMU for x86 (Debian and Ubuntu: qemu-system-x86), or name its program: --qemu-bin PATH.",
      cause,
    });
  }
};

const recall = async (stateFile: string, key: string): Promise<AcceleratorReport | undefined> => {
  const text = await readFile(stateFile, "utf8").catch(() => "");
  if (text.length > MAX_STATE_BYTES) return undefined;
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
    const { accelerator, reason } = value ?? {};
    if (value?.["key"] !== key || typeof reason !== "string") return undefined;
    return accelerator === "kvm" || accelerator === "tcg" ? { accelerator, reason } : undefined;
  } catch {
    return undefined; // Absent or torn: asked anew.
  }
};

const remember = async (stateFile: string, key: string, report: AcceleratorReport): Promise<void> => {
  const temporary = join(dirname(stateFile), `.accelerator-${process.pid}.tmp`);
  await writeFile(temporary, `${JSON.stringify({ key, ...report })}\n`, { mode: 0o600 });
  await rename(temporary, stateFile);
};
