import { expect, test } from "vitest";
import { hostTscKhz, tscKhz } from "./tsc.ts";

const virtual = "model name\t: AMD EPYC\ncpu MHz\t\t: 2596.120\nflags\t\t: fpu tsc hypervisor lahf_lm\n";
const metal =
  "model name\t: Intel(R) Xeon(R) CPU E5-2660 @ 2.20GHz\ncpu MHz\t\t: 1200.041\nflags\t\t: fpu tsc\n";

test("the kernel's refined measurement goes before its first one", () => {
  const kernelLog =
    "tsc: Detected 2200.000 MHz processor\ntsc: Refined TSC clocksource calibration: 2194.917 MHz\n";
  expect(tscKhz({ kernelLog, cpuinfo: metal })).toBe(2194917);
  expect(tscKhz({ kernelLog: "tsc: Detected 2596.120 MHz processor", cpuinfo: metal })).toBe(2596120);
});

test("the momentary clock is believed in a virtual machine only", () => {
  expect(tscKhz({ kernelLog: "", cpuinfo: virtual })).toBe(2596120);
  expect(tscKhz({ kernelLog: "", cpuinfo: metal })).toBe(2200000);
});

test("no source, or a nonsensical one, is no rate", () => {
  expect(tscKhz({ kernelLog: "", cpuinfo: "cpu MHz : 1800.0\nflags : tsc\n" })).toBeUndefined();
  expect(tscKhz({ kernelLog: "tsc: Detected 0.100 MHz processor", cpuinfo: "" })).toBeUndefined();
});

test("this host is asked without waiting", async () => {
  const khz = await hostTscKhz();
  expect(khz === undefined || (khz > 100_000 && khz < 20_000_000)).toBe(true);
});
