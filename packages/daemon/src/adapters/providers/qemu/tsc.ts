/**
 * The rate of the host's time stamp counter, for guests under TCG.
 *
 * QEMU passes the host's TSC through, and the microvm machine has no PIT tick, HPET or PM timer. A guest kernel
 * that must measure the rate itself then fails about every second time, marks the TSC unstable and hangs: so it
 * is told (`tsc_early_khz=… tsc=reliable`, kernel: admin-guide/kernel-parameters). Where no rate is known, the
 * q35 machine, which has those timers, is used instead.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { readFile } from "node:fs/promises";

/** Slower or faster than any TSC there is */
const MIN_KHZ = 100_000;
const MAX_KHZ = 20_000_000;
/** One record of /dev/kmsg (kernel: ABI/testing/dev-kmsg) */
const MAX_RECORD_BYTES = 8192;
const MAX_RECORDS = 20_000;

export interface TscSources {
  /** Kernel messages of this boot, as far as they are kept and readable */
  readonly kernelLog: string;
  /** `/proc/cpuinfo` */
  readonly cpuinfo: string;
}

/** The rate in kHz; undefined when no source is trustworthy. */
export const tscKhz = ({ kernelLog, cpuinfo }: TscSources): number | undefined => {
  const model = cpuinfo.match(/^model name\s*:.* @ (\d+\.\d+)GHz/m)?.[1];
  const isVirtual = /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo);
  const candidates = [
    // Measured by the host's kernel, the finer measurement first.
    thousands(last(kernelLog, /tsc: Refined TSC clocksource calibration: (\d+\.\d+) MHz/g)),
    thousands(last(kernelLog, /tsc: Detected (\d+\.\d+) MHz (?:TSC|processor)/g)),
    // A virtual processor has one rate. On metal this is the momentary clock, which says nothing of the TSC.
    isVirtual ? thousands(cpuinfo.match(/^cpu MHz\s*:\s*(\d+\.\d+)/m)?.[1]) : undefined,
    // The nominal rate: within a fraction of a percent, which the guest's clock will drift by.
    model === undefined ? undefined : thousands(String(Number(model) * 1000)),
  ];
  return candidates.find((khz) => khz !== undefined && khz >= MIN_KHZ && khz <= MAX_KHZ);
};

/** Asks this host; undefined on anything but x86-64. */
export const hostTscKhz = async (): Promise<number | undefined> => {
  if (process.arch !== "x64") return undefined;
  const cpuinfo = await readFile("/proc/cpuinfo", "utf8").catch(() => "");
  return tscKhz({ kernelLog: readKernelLog(), cpuinfo });
};

const last = (text: string, pattern: RegExp): string | undefined => [...text.matchAll(pattern)].at(-1)?.[1];

const thousands = (mhz: string | undefined): number | undefined =>
  mhz === undefined ? undefined : Math.round(Number(mhz) * 1000);

/** Reads what the kernel keeps without waiting for more. Synchronous: each read yields one record from memory. */
const readKernelLog = (): string => {
  const texts: string[] = [];
  let fd: number | undefined;
  try {
    fd = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
    const buffer = Buffer.alloc(MAX_RECORD_BYTES);
    for (let n = 0; n < MAX_RECORDS; n++) {
      const record = buffer.toString("latin1", 0, readSync(fd, buffer));
      if (record.includes("tsc: ")) texts.push(record);
    }
  } catch {
    // EAGAIN ends the log; EACCES and EPERM mean that it is not for us. Other sources follow.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return texts.join("");
};
