/** What a person does first, through the CLI, the daemon, QEMU and a guest: all real. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
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

test("run prints what the command prints, returns its exit code, and leaves no VM", async () => {
  const result = await daemon.flintlock(["run", "--", "sh", "-c", "echo $((6*7)); echo oops >&2; exit 3"]);
  expect(result.stdout).toBe("42\n");
  expect(result.stderr).toContain("oops");
  expect(result.code).toBe(3);
  expect(ok(await daemon.flintlock(["ls", "-q"]))).toBe("");
});

test("stdin and stdout carry bytes, not text", async () => {
  const bytes = randomBytes(1_000_003);
  const hash = createHash("sha256").update(bytes).digest("hex");
  const result = await daemon.flintlock(["run", "--", "sh", "-c", "tee /tmp/x | wc -c; sha256sum < /tmp/x"], {
    stdin: bytes,
  });
  expect(result.stdout.replaceAll(/[ -]/g, "").split("\n")).toEqual(["1000003", hash, ""]);
});

test("environment, directory and user reach the process", async () => {
  const script = "echo $GREETING; pwd; id -u; hostname";
  const args = ["run", "--rm", "-n", "named.vm", "-e", "GREETING=good day", "-w", "/tmp", "-u", "guest"];
  const result = await daemon.flintlock([...args, "--", "sh", "-c", script]);
  expect(result.stdout).toBe("good day\n/tmp\n1000\nnamed.vm\n");
});

test("a command that does not exist is 127, one that may not run is 126", async () => {
  expect((await daemon.flintlock(["run", "--", "/no/such"])).code).toBe(127);
  expect((await daemon.flintlock(["run", "--", "/etc/passwd"])).code).toBe(126);
});

test("a published port answers from the host, and the VM outlives a kill -9 of the daemon", async () => {
  const serve = "mkdir /tmp/w; echo hello from the guest > /tmp/w/index.html; httpd -f -p 80 -h /tmp/w";
  const uid = ok(
    await daemon.flintlock(["run", "-d", "-n", "web", "-p", "0:80", "--", "sh", "-c", serve]),
  ).trim();
  ok(await daemon.flintlock(["wait", "web", "--for", "running", "--timeout", "60s"]));
  const [vm] = JSON.parse(ok(await daemon.flintlock(["inspect", "web", "-o", "json"]))) as [Inspected];
  const url = `http://127.0.0.1:${vm.ports[0]?.hostPort}/`;
  expect(await textOf(url)).toBe("hello from the guest\n");

  const vmms = await processesNaming(vm.microvm.spec.uid);
  expect(vmms).toHaveLength(1);
  await daemon.kill("SIGKILL");
  expect(await textOf(url)).toBe("hello from the guest\n");
  await daemon.start();
  expect(ok(await daemon.flintlock(["ls"]))).toMatch(/web .*running/i);
  expect(await processesNaming(vm.microvm.spec.uid)).toEqual(vmms);

  ok(await daemon.flintlock(["rm", "-f", uid]));
  expect(await processesNaming(vm.microvm.spec.uid)).toEqual([]);
  expect(existsSync(join(daemon.stateDir, "vm/default"))).toBe(false);
});

test("a detached VM's output is in its log, and its exit code is kept", async () => {
  ok(await daemon.flintlock(["run", "-d", "-n", "job", "--", "sh", "-c", "echo working; exit 7"]));
  expect(ok(await daemon.flintlock(["wait", "job", "--timeout", "60s"])).trim()).toBe("7");
  expect(ok(await daemon.flintlock(["logs", "job"]))).toContain("working");
  ok(await daemon.flintlock(["rm", "job"]));
});

interface Inspected {
  readonly microvm: { readonly spec: { readonly uid: string } };
  readonly ports: readonly { readonly hostPort: number }[];
}

const textOf = async (url: string): Promise<string> => {
  for (let attempt = 0; ; attempt++) {
    try {
      return await (await fetch(url, { signal: AbortSignal.timeout(5000) })).text();
    } catch (error) {
      if (attempt === 40) throw error;
      await sleep(250);
    }
  }
};
