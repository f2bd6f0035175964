import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Machine, Uid } from "@flintlock/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kernelHasAcpi } from "./kernel-acpi.ts";

let scratch = "";
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "kernel-acpi-"));
});
afterAll(() => rm(scratch, { recursive: true }));

const machineWith = async (kernel: string, cmdline: Machine["cmdline"] = {}): Promise<Machine> => {
  const kernelPath = join(scratch, "kernel");
  await writeFile(kernelPath, kernel, "latin1");
  return {
    uid: "01HF0000000000000000000001" as Uid,
    label: "ns/vm",
    directory: scratch,
    vcpu: 1,
    memoryMib: 128,
    kernelPath,
    initrdPath: undefined,
    cmdline,
    disks: [],
    interfaces: [],
    ports: [],
    guest: undefined,
  };
};

const filler = "x".repeat(1024 * 1024 - 7);

test("an uncompressed kernel is read for ACPI, across the edges of what is read at once", async () => {
  expect(await kernelHasAcpi(await machineWith(`\x7fELF${filler}ACPI: Added`))).toBe(true);
  expect(await kernelHasAcpi(await machineWith(`\x7fELF${filler}ACPX: Added`))).toBe(false);
});

test("a compressed kernel is taken to have it, unless the VM says acpi=off", async () => {
  expect(await kernelHasAcpi(await machineWith("MZ compressed"))).toBe(true);
  expect(await kernelHasAcpi(await machineWith("MZ compressed", { acpi: "off" }))).toBe(false);
});
