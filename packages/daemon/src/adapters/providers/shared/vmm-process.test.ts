import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deadline } from "./deadline.ts";
import { readStat } from "./proc.ts";
import { createVmmProcesses, type VmmIdentity } from "./vmm-process.ts";

const never = new AbortController().signal;
let directory: string;
let started: VmmIdentity[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vmm-process-"));
  started = [];
});
afterEach(async () => {
  for (const identity of started) await createVmmProcesses().terminate(identity, 0, never);
  await rm(directory, { recursive: true });
});

const marker = `flintlock-test-${process.pid}`;
const start = async (script: string) => {
  const processes = createVmmProcesses();
  const identity = await processes.spawn({
    binary: "/bin/sh",
    args: ["-c", script, "sh", `guest=${marker},process=x`],
    directory,
    descriptors: [],
  });
  started.push(identity);
  return { processes, identity };
};

test("a VMM runs in a session of its own, in its directory, and writes to its log", async () => {
  const { processes, identity } = await start("pwd; echo oops >&2; while :; do sleep 0.1; done");
  expect(await processes.isAlive(identity)).toBe(true);
  await expect.poll(() => readFile(join(directory, "vmm.log"), "utf8")).toBe(`${directory}\noops\n`);
  const stat = await readFile(`/proc/${identity.pid}/stat`, "utf8");
  expect(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]).toBe(String(identity.pid)); // Session id
});

test("another daemon finds it by the record", async () => {
  const { identity } = await start("while :; do sleep 0.1; done");
  expect(await createVmmProcesses().find(directory, marker)).toEqual({ state: "running", identity });
});

test("a crash between spawn and record is made good by the marker in /proc, which then is recorded", async () => {
  const { identity } = await start("while :; do sleep 0.1; done");
  await rm(join(directory, "vmm.json"));
  expect(await createVmmProcesses().find(directory, marker)).toEqual({ state: "running", identity });
  expect(JSON.parse(await readFile(join(directory, "vmm.json"), "utf8"))).toEqual(identity);
  await rm(join(directory, "vmm.json"));
  expect(await createVmmProcesses().find(directory, marker.slice(0, -1))).toEqual({ state: "never-started" });
  expect(await createVmmProcesses().find(tmpdir(), marker)).toEqual({ state: "never-started" });
});

test("a torn record is no record", async () => {
  const { identity } = await start("while :; do sleep 0.1; done");
  await writeFile(join(directory, "vmm.json"), '{"pid":');
  expect(await createVmmProcesses().find(directory, marker)).toEqual({ state: "running", identity });
});

test("a pid that was handed out again is not taken for the VMM, and gets no signal", async () => {
  const { processes, identity } = await start("while :; do sleep 0.1; done");
  const stranger = { ...identity, startTime: String(Number(identity.startTime) - 1) };
  await writeFile(join(directory, "vmm.json"), JSON.stringify(stranger));
  expect(await processes.find(directory, marker)).toEqual({ state: "gone", identity: stranger });
  await processes.terminate(stranger, 1000, never);
  expect(await processes.isAlive(identity)).toBe(true);
});

test("terminate asks first, and resolves when the process is gone", async () => {
  const { processes, identity } = await start("trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done");
  await expect
    .poll(async () => (await readFile(`/proc/${identity.pid}/status`, "utf8")).match(/SigCgt:.*[1-9a-f]/))
    .toBeTruthy();
  await processes.terminate(identity, 5000, never);
  expect(await readStat(identity.pid)).toBeUndefined();
  expect(await readFile(join(directory, "vmm.log"), "utf8")).toBe("bye\n");
  expect(await processes.find(directory, marker)).toEqual({ state: "gone", identity });
});

test("a VMM that ignores TERM is killed after the grace period", async () => {
  const { processes, identity } = await start("trap '' TERM; while :; do sleep 0.05; done");
  await expect
    .poll(async () => (await readFile(`/proc/${identity.pid}/status`, "utf8")).match(/SigIgn:.*[1-9a-f]/))
    .toBeTruthy();
  const before = performance.now();
  await processes.terminate(identity, 300, never);
  expect(performance.now() - before).toBeGreaterThan(290);
  await processes.exited(identity, never);
  expect(processes.end(identity)).toEqual({ code: undefined, signal: "SIGKILL" });
});

test("exited resolves for our child at once, and for a stranger by looking", async () => {
  const { processes, identity } = await start("sleep 0.3; exit 7");
  await Promise.all([processes.exited(identity, never), createVmmProcesses().exited(identity, never)]);
  expect(processes.end(identity)).toEqual({ code: 7, signal: undefined });
});

test("waiting for the end can be aborted", async () => {
  const { processes, identity } = await start("while :; do sleep 0.1; done");
  for (const each of [processes, createVmmProcesses()]) {
    await expect(each.exited(identity, deadline(never, 20, "the test").signal)).rejects.toThrow();
  }
});

test("a binary that is missing is the provider's failure, with a hint", async () => {
  const command = { binary: "/nowhere/qemu", args: [], directory, descriptors: [] };
  await expect(createVmmProcesses().spawn(command)).rejects.toMatchObject({ code: "provider_failed" });
});

test("a VMM survives the process that started it", async () => {
  const script = `
    import { createVmmProcesses } from ${JSON.stringify(new URL("vmm-process.ts", import.meta.url).href)};
    const identity = await createVmmProcesses().spawn({ binary: "/bin/sleep", args: ["60"], directory: ${JSON.stringify(directory)}, descriptors: [] });
    process.stdout.write(JSON.stringify(identity));`;
  const daemon = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script]);
  let text = "";
  for await (const chunk of daemon.stdout) text += String(chunk);
  const identity: VmmIdentity = JSON.parse(text);
  started.push(identity);
  expect(await createVmmProcesses().find(directory, marker)).toEqual({ state: "running", identity });
});
