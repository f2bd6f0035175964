/**
 * `npm run test:kvm [-- FILE...]`: each test file of this directory on a fresh KVM host of its own.
 * `npm run test:kvm -- --command 'bash command'`: one command there, in a writable copy of the checkout.
 *
 * FLINTLOCK_VMM_DIR names a directory of VMMs (docs/testing-on-kvm.md); without it nothing runs.
 */
import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type HostEnd, runOnHost } from "./host/run-on-host.ts";
import { savedHost } from "./host/saved-host.ts";

const CHECKOUT = resolve(import.meta.dirname, "../..");
/** Software emulation: ten to fifty times what bare metal takes */
const TIME_LIMIT_MS = 30 * 60_000;
const TRIES = 2;

const { values, positionals } = parseArgs({
  options: { command: { type: "string" } },
  allowPositionals: true,
});

const testFiles = async (): Promise<readonly string[]> => {
  const names = await readdir(import.meta.dirname);
  const files = names.filter((name) => name.endsWith(".test.ts")).sort();
  return positionals.length === 0
    ? files
    : files.filter((file) => positionals.some((part) => file.includes(part)));
};

/** The machine that emulates the host hangs now and then, which says nothing of the tests: once more, then. */
const onFreshHost = async (host: string, vmmDir: string, command: string): Promise<number> => {
  const script = `export FLINTLOCK_VMM_DIR=/host/vmm\n${command}\n`;
  let end: HostEnd = { lost: "not tried" };
  for (let tries = 0; tries < TRIES; tries++) {
    end = await runOnHost(host, { command: script, checkout: CHECKOUT, vmmDir, timeLimitMs: TIME_LIMIT_MS });
    if (end.exitCode !== undefined) return end.exitCode;
    console.error(`kvm-host: lost: ${end.lost}`);
  }
  return 1;
};

const vitest = (file: string): string =>
  `exec node_modules/.bin/vitest run --project kvm --configLoader runner --reporter verbose 'test/kvm/${file}'`;

const main = async (): Promise<number> => {
  const vmmDir = process.env["FLINTLOCK_VMM_DIR"];
  if (vmmDir === undefined) {
    console.log("skipped: FLINTLOCK_VMM_DIR names no directory of VMMs (docs/testing-on-kvm.md)");
    return 0;
  }
  const host = await savedHost();
  if (values.command !== undefined) return await onFreshHost(host, resolve(vmmDir), values.command);
  const failed: string[] = [];
  for (const file of await testFiles()) {
    console.log(`==> ${file}`);
    if ((await onFreshHost(host, resolve(vmmDir), vitest(file))) !== 0) failed.push(file);
  }
  for (const file of failed) console.log(`FAILED: ${file}`);
  return failed.length === 0 ? 0 : 1;
};

process.exitCode = await main();
