/** How flintlockd starts, ends and reads its configuration, as an operator and systemd see it. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@flintlock/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flintlockd, startProcess } from "../support/daemon-process.ts";

let scratch = "";
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "flintlock-daemon-"));
});
afterAll(() => rm(scratch, { recursive: true }));

const SERVES = 'msg="flintlockd serves"';

const get = (
  socketPath: string,
  path: string,
): Promise<{ readonly status: number; readonly json: unknown }> =>
  new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) }));
    })
      .on("error", reject)
      .end();
  });

describe("signals", () => {
  test.each(["SIGTERM", "SIGINT"] as const)("%s stops it in order, with exit code 0", async (signal) => {
    await using daemon = await startProcess();
    await daemon.says(SERVES);
    daemon.child.kill(signal);
    expect(await daemon.exit).toBe(0);
    expect(daemon.stderr()).toContain(`msg="stopping; microVMs keep running" signal=${signal}`);
    expect(existsSync(daemon.socket)).toBe(false);
  });

  test("a call in flight holds up a stop, and a second signal cuts that short", async () => {
    await using daemon = await startProcess();
    await daemon.says(SERVES);
    const options = { socketPath: daemon.socket, path: "/v1alpha1/microvm", method: "POST" };
    const half = request({ ...options, headers: { "Content-Length": 100 } });
    half.on("error", () => undefined).write("{");
    // Once this is answered, the other has been taken.
    await get(daemon.socket, "/healthz");
    daemon.child.kill("SIGTERM");
    await daemon.says("stopping; microVMs keep running");
    expect(daemon.child.exitCode).toBeNull();
    daemon.child.kill("SIGTERM");
    expect(await daemon.exit).toBe(143);
    expect(daemon.stderr()).toContain("stopping at once: a second signal came");
  });

  test("SIGHUP opens a rotated log anew; the log is its owner's alone", async () => {
    const path = join(scratch, "Daemon.log");
    await using daemon = await startProcess({ args: ["--log-output", path, "--log-format", "json"] });
    while (!(existsSync(path) && (await readFile(path, "utf8")).includes("flintlockd serves"))) {
      if (daemon.child.exitCode !== null) throw new Error(daemon.stderr());
    }
    await rename(path, `${path}.1`);
    daemon.child.kill("SIGHUP");
    while (!existsSync(path));
    daemon.child.kill("SIGTERM");
    expect(await daemon.exit).toBe(0);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const lines = (await readFile(path, "utf8")).trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).msg)).toContain("stopping; microVMs keep running");
    expect(daemon.stderr()).toBe("");
  });
});

describe("failures", () => {
  const onlyLine = (stderr: string): string => {
    const lines = stderr
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("time="));
    expect(lines).toHaveLength(1);
    return lines[0] ?? "";
  };

  test("an address in use ends the start with code 1 and one line", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    const port = typeof address === "object" ? address?.port : 0;
    await using daemon = await startProcess({ args: ["--insecure", "--grpc-endpoint", `localhost:${port}`] });
    expect(await daemon.exit).toBe(1);
    expect(onlyLine(daemon.stderr())).toMatch(
      new RegExp(`^flintlockd: listen address 127.0.0.1:${port}: already in use: .*EADDRINUSE`),
    );
    taken.close();
  });

  test("a state directory in use ends the start with code 1 and says what to do", async () => {
    await using first = await startProcess();
    await first.says(SERVES);
    await using second = await startProcess({ args: ["--state-dir", join(first.directory, "state")] });
    expect(await second.exit).toBe(1);
    expect(onlyLine(second.stderr())).toMatch(
      /another daemon is using .*; stop it, or choose another --state-dir$/,
    );
  });

  test("a log that cannot be opened ends the start with code 1", async () => {
    await using daemon = await startProcess({ args: ["--log-output", "/nowhere/at/all"] });
    expect(await daemon.exit).toBe(1);
    expect(onlyLine(daemon.stderr())).toContain("the log /nowhere/at/all cannot be opened");
  });

  test("a wrong option ends the start with code 2", async () => {
    await using daemon = await startProcess({ args: ["--grpc-endpoint", "localhost:9090"] });
    expect(await daemon.exit).toBe(2);
    expect(onlyLine(daemon.stderr())).toBe(
      "flintlockd: --grpc-endpoint: certificate file path is required when running securely; give --tls-cert and --tls-key, or --insecure for TCP without TLS",
    );
  });

  const cannotMount = process.geteuid?.() === 0 ? undefined : "mounting a small file system needs root";
  if (cannotMount !== undefined) console.warn(`skipped: ${cannotMount}`);

  test.skipIf(cannotMount !== undefined)(
    "a store that can write no more ends the daemon with code 1",
    async () => {
      const directory = await mkdtemp(join(tmpdir(), "flintlockd-"));
      const script = 'mount -t tmpfs -o size=2m,mode=700 none "$0" && exec "$@"';
      const prefix = ["unshare", "--mount", "sh", "-c", script, directory];
      await using daemon = await startProcess({ prefix, directory });
      await daemon.says(SERVES);
      // Its file system is seen through the process only.
      const inside = join(`/proc/${daemon.pid}/root`, directory);
      await expect(writeFile(join(inside, "fill"), Buffer.alloc(4 << 20))).rejects.toThrow("ENOSPC");
      const client = createClient({ address: `unix:///proc/${daemon.pid}/root${daemon.socket}` });
      const creates = Array.from({ length: 20 }, (_, index) =>
        client.v1alpha1
          .createMicroVM({
            microvm: {
              id: `vm-${index}`,
              namespace: "ns",
              vcpu: 1,
              memoryInMb: 256,
              kernel: { image: "flintlock.local/kernel:latest", filename: "boot/vmlinuz" },
              rootVolume: { id: "root", source: { containerSource: "flintlock.local/busybox:latest" } },
            },
          })
          .catch(() => undefined),
      );
      expect(await daemon.exit).toBe(1);
      expect(onlyLine(daemon.stderr())).toMatch(
        /^flintlockd: state store: the state store cannot write: .*; check the free space/,
      );
      client.close();
      await Promise.all(creates);
    },
  );
});

describe("readiness", () => {
  test("/healthz and /readyz answer anybody, part by part", async () => {
    await using daemon = await startProcess();
    await daemon.says(SERVES);
    expect(await get(daemon.socket, "/healthz")).toEqual({ status: 200, json: { status: "ok" } });
    expect(await get(daemon.socket, "/readyz")).toEqual({
      status: 200,
      json: { status: "ready", checks: { daemon: "ok", store: "ok", reconciler: "ok", listeners: "ok" } },
    });
  });

  test("without a reconciler calls are taken and nothing happens; without an API nothing listens", async () => {
    await using idle = await startProcess({ args: ["--disable-reconcile"] });
    await idle.says(SERVES);
    expect(await get(idle.socket, "/readyz")).toMatchObject({
      json: { checks: { reconciler: "ok: disabled" } },
    });
    await using mute = await startProcess({ args: ["--disable-api"] });
    await mute.says(SERVES);
    expect(existsSync(mute.socket)).toBe(false);
  });
});

test("the debug endpoint is on its own port, and only when asked for", async () => {
  await using daemon = await startProcess({ args: ["--debug-endpoint", "localhost:0"] });
  await daemon.says(SERVES);
  const [, address] = /msg="debug endpoint: [^"]*" address="?([0-9.:]+)"?/.exec(daemon.stderr()) ?? [];
  expect(await (await fetch(`http://${address}/debug/pprof/`)).text()).toContain("/debug/pprof/profile");
  expect(await (await fetch(`http://${address}/metrics`)).text()).toContain("# TYPE ");
  expect((await fetch(`http://${address}/healthz`)).status).toBe(404);
});

describe("configuration", () => {
  const row = (text: string, option: string): readonly string[] =>
    text
      .split("\n")
      .find((line) => line.startsWith(`${option} `))
      ?.trim()
      .split(/\s{2,}/) ?? [];

  test("config check tells every option's value, its source, and what to know", async () => {
    const file = join(scratch, "config.yaml");
    await writeFile(file, "basic-auth-token: s3cret-token\nresync-period: 5m\ncontainerd-ns: mine\n", {
      mode: 0o644,
    });
    const { code, stdout } = await flintlockd(["config", "check", "--config", file, "-v", "9"], {
      "FLINTLOCKD_DELETEMICROVM-TIMEOUT": "1m30s",
      FLINTLOCKD_MAXIMUM_RETRY: "4",
    });
    expect(code).toBe(0);
    expect(row(stdout, "basic-auth-token")).toEqual(["basic-auth-token", "(set)", `file ${file}`]);
    expect(row(stdout, "resync-period")).toEqual(["resync-period", "5m", `file ${file}`]);
    expect(row(stdout, "deleteMicroVM-timeout")).toEqual(["deleteMicroVM-timeout", "1m30s", "env"]);
    expect(row(stdout, "maximum-retry")).toEqual(["maximum-retry", "4", "env"]);
    expect(row(stdout, "log-level")).toEqual(["log-level", "trace", "default"]);
    expect(row(stdout, "grpc-endpoint")).toEqual(["grpc-endpoint", "(off)", "default"]);
    expect(stdout).toContain("warning: containerd-ns: has no effect");
    expect(stdout).toMatch(/warning: basic-auth-token: everybody on this host can read/);
    expect(stdout).toContain("note: grpc-endpoint: gRPC on TCP is off");
    expect(stdout).not.toContain("s3cret-token");
  });

  test("config check refuses what run would refuse, with code 2", async () => {
    const { code, stdout, stderr } = await flintlockd(["config", "check"], {
      FLINTLOCKD_DEFAULT_PROVIDER: "xen",
    });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(
      `flintlockd: --default-provider: "xen" is not one of auto, qemu, firecracker, cloudhypervisor, simulated; --default-provider auto, or leave it out\n`,
    );
  });

  test("the version comes in upstream's three forms", async () => {
    const line = (await flintlockd(["version"])).stdout;
    const short = (await flintlockd(["version", "--short"])).stdout;
    expect(line).toBe(`flintlock ${short}`);
    expect((await flintlockd(["version", "--long"])).stdout).toMatch(
      new RegExp(`^flintlock\\n  Version:    ${short.trim()}\\n  CommitHash: \\w+\\n  BuildDate:  \\S+\\n$`),
    );
  });

  test("a wrong command is refused with code 2", async () => {
    const { code, stderr } = await flintlockd(["serve"]);
    expect([code, stderr]).toEqual([
      2,
      "flintlockd: unknown command 'serve'; flintlockd run, config check, version or --help\n",
    ]);
  });
});
