/** A microVM's life between create and delete, through the CLI, the daemon, QEMU and a guest: all real. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { processesNaming, type Result, TestDaemon } from "../support/daemon.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const ok = (result: Result): string => {
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
};
const flintlock = async (...args: readonly string[]): Promise<string> => ok(await daemon.flintlock(args));

interface Inspected {
  readonly uid: string;
  readonly state: string;
  readonly desiredState: string;
  readonly restarts: number;
  readonly reason: string;
  readonly exit?: { readonly code?: number; readonly reason: string };
}

const inspect = async (name: string): Promise<Inspected> => {
  const [vm] = JSON.parse(await flintlock("inspect", name, "-o", "json")) as [Inspected];
  return vm;
};

const createSleeper = (name: string, ...flags: readonly string[]): Promise<string> =>
  flintlock("create", "-n", name, "-m", "128M", ...flags, "--", "sleep", "100000");

test("what a guest wrote to its disk is there after a stop and a start, and after a restart", async () => {
  await createSleeper("keeper");
  await flintlock("exec", "keeper", "--", "sh", "-c", "echo precious > /root.txt; sync");
  const { uid } = await inspect("keeper");
  expect(await processesNaming(uid)).toHaveLength(1);

  expect(await flintlock("stop", "keeper")).toBe("keeper\n");
  expect(await processesNaming(uid)).toEqual([]);
  expect(await inspect("keeper")).toMatchObject({
    state: "STOPPED",
    desiredState: "STOPPED",
    exit: { code: 143, reason: "process ended by signal 15" },
  });
  expect(await flintlock("ls", "--state", "stopped", "-q")).toBe("keeper\n");
  expect(await flintlock("logs", "keeper")).not.toBe("");

  await flintlock("start", "keeper");
  expect(await flintlock("exec", "keeper", "--", "cat", "/root.txt")).toBe("precious\n");
  const [before] = await processesNaming(uid);
  await flintlock("restart", "keeper");
  const [after] = await processesNaming(uid);
  expect(after).not.toBe(before);
  expect(await flintlock("exec", "keeper", "--", "cat", "/root.txt")).toBe("precious\n");
  expect(await inspect("keeper")).toMatchObject({ uid, state: "RUNNING", restarts: 0 });

  await flintlock("kill", "keeper");
  expect((await inspect("keeper")).state).toBe("STOPPED");
  await flintlock("rm", "keeper");
});

test("a paused guest stands still, and goes on where it was", async () => {
  await createSleeper("still");
  const count = "while :; do date +%s > /tmp/beat; sleep 0.2; done";
  await flintlock("exec", "still", "--", "sh", "-c", `(${count}) >/dev/null 2>&1 & echo started`);
  const { uid } = await inspect("still");
  const [pid = 0] = await processesNaming(uid);

  await flintlock("pause", "still");
  expect((await inspect("still")).state).toBe("PAUSED");
  const { code, stderr } = await daemon.flintlock(["exec", "still", "--", "true"]);
  expect([code, stderr]).toEqual([125, expect.stringContaining("paused")]);
  const spent = await cpuTicks(pid);
  await sleep(1_500);
  expect((await cpuTicks(pid)) - spent).toBeLessThan(20);

  await flintlock("resume", "still");
  expect(await processesNaming(uid)).toEqual([pid]);
  expect((await inspect("still")).state).toBe("RUNNING");
  const beat = await flintlock("exec", "still", "--", "cat", "/tmp/beat");
  await sleep(2_500);
  expect(Number(await flintlock("exec", "still", "--", "cat", "/tmp/beat"))).toBeGreaterThan(Number(beat));

  await flintlock("pause", "still");
  const start = performance.now();
  await flintlock("stop", "still", "--grace", "30s");
  expect(performance.now() - start).toBeLessThan(20_000);
  expect(await inspect("still")).toMatchObject({ state: "STOPPED", exit: { code: 143 } });
  await flintlock("start", "still");
  await flintlock("pause", "still");
  await flintlock("rm", "still");
  expect(await processesNaming(uid)).toEqual([]);
});

test("on-failure:2 runs a command that fails three times, and leaves it EXITED, crash-looping", async () => {
  const command = ["sh", "-c", "echo again >> /runs; exit 1"];
  const policy = ["--restart", "on-failure:2"];
  await flintlock("create", "--no-wait", "-n", "looper", "-m", "128M", ...policy, "--", ...command);
  expect(await flintlock("wait", "looper", "--timeout", "90s")).toBe("1\n");
  expect(await inspect("looper")).toMatchObject({
    state: "EXITED",
    restarts: 2,
    reason: "crash-looping",
    exit: { code: 1 },
  });
  expect(await flintlock("ls")).toContain("EXITED (1, crash-looping)");
  await flintlock("rm", "looper");
});

test("a daemon that is killed while it stops a guest leaves it to the next, also over another restart", async () => {
  // A guest that takes no hint: the whole grace is needed.
  const deaf = ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"];
  await flintlock("create", "-n", "deaf", "-m", "128M", "--restart", "always", "--", ...deaf);
  const { uid } = await inspect("deaf");
  await flintlock("stop", "deaf", "--grace", "6s", "--no-wait");
  await daemon.kill("SIGKILL");
  await daemon.start();
  await flintlock("wait", "deaf", "--for", "stopped", "--timeout", "60s");
  expect(await processesNaming(uid)).toEqual([]);
  await daemon.kill("SIGTERM");
  await daemon.start();
  await sleep(1_000);
  expect((await inspect("deaf")).state).toBe("STOPPED");
  expect(await processesNaming(uid)).toEqual([]);
});

test("after the host has restarted, what ran runs, what was stopped is stopped, what was paused is paused", async () => {
  for (const name of ["runs", "stopped", "paused"]) await createSleeper(name, "--restart", "unless-stopped");
  await createSleeper("once");
  await flintlock("stop", "stopped");
  await flintlock("pause", "paused");
  await daemon.kill("SIGKILL");
  for (const name of ["runs", "paused", "once"]) {
    const vmm = await vmmOf(name);
    process.kill(vmm.pid, "SIGKILL");
    await vmm.asOfAnotherBoot();
  }
  await daemon.start();
  await flintlock("wait", "runs", "--for", "running", "--timeout", "60s");
  await flintlock("wait", "paused", "--for", "paused", "--timeout", "60s");
  expect((await inspect("stopped")).state).toBe("STOPPED");
  expect(await inspect("once")).toMatchObject({ state: "EXITED", exit: { reason: "host restarted" } });
  expect((await inspect("runs")).restarts).toBe(0);
  expect(await processesNaming((await inspect("stopped")).uid)).toEqual([]);
});

/** Clock ticks that a process has spent, its threads included (proc_pid_stat(5), fields 14 and 15). */
const cpuTicks = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
};

const vmmOf = async (name: string) => {
  const directory = join(daemon.stateDir, "vm/default", name);
  const [uid = ""] = await readdir(directory);
  const path = join(directory, uid, "vmm.json");
  const identity = JSON.parse(await readFile(path, "utf8"));
  return {
    pid: Number(identity.pid),
    /** What a daemon finds after a boot: the same file, from before it */
    asOfAnotherBoot: () => writeFile(path, JSON.stringify({ ...identity, bootId: "another" })),
  };
};
