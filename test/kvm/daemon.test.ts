/** The daemon with each VMM: what a person does first, on a real network, and that microVMs outlive the daemon. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { vmmBinaries } from "../integration/providers/vmm-binaries.ts";
import { processesNaming, type Result, TestDaemon } from "../support/daemon.ts";
import { NetworkLab } from "../support/network-lab.ts";

const PROVIDERS = [
  { provider: "firecracker", option: "firecracker-bin", program: "firecracker", resizes: false },
  { provider: "cloudhypervisor", option: "cloudhypervisor-bin", program: "cloud-hypervisor", resizes: true },
] as const;
const GUEST = ["--net", "bridge=br0", "-m", "256M"] as const;

const ok = (result: Result): string => {
  expect(result.code, result.stderr).toBe(0);
  return result.stdout;
};

for (const { provider, option, program, resizes } of PROVIDERS) {
  for (const { name, path, obstacle } of await vmmBinaries(program)) {
    const title = obstacle === undefined ? name : `${name}: ${obstacle}`;
    describe.skipIf(obstacle !== undefined)(title, () => {
      let lab: NetworkLab;
      let daemon: TestDaemon;
      beforeAll(async () => {
        lab = await NetworkLab.open();
        daemon = await TestDaemon.start(
          ["--default-provider", provider, `--${option}`, path ?? name, "--bridge-name", "br0"],
          ["ip", "netns", "exec", lab.namespace("host")],
        );
      });
      afterAll(async () => {
        await daemon?.[Symbol.asyncDispose]();
        await lab?.[Symbol.asyncDispose]();
      });

      const flintlock = async (...args: readonly string[]) => await daemon.flintlock(args);

      test("run prints what the command prints, returns its exit code, and leaves no VM", async () => {
        const result = await flintlock("run", ...GUEST, "--", "sh", "-c", "echo $((6*7)); exit 3");
        expect(result.stdout, result.stderr).toBe("42\n");
        expect(result.code).toBe(3);
        expect(ok(await flintlock("ls", "-q"))).toBe("");
      });

      test("a VM that runs is given what its VMM can give it, and sees it", async () => {
        ok(
          await flintlock(
            "run",
            "-d",
            "-n",
            "grows",
            ...GUEST,
            "-c",
            "1",
            "--balloon",
            "0",
            "--disk",
            "64M",
            "--",
            "sleep",
            "100000",
          ),
        );
        const ask = async (script: string) => ok(await flintlock("exec", "grows", "--", "sh", "-c", script));
        const mib = async (line: string) =>
          Number(/\d+/.exec(await ask(`grep ${line}: /proc/meminfo`))?.[0]) / 1024;
        expect(await ask("nproc")).toBe("1\n");
        const change = ["modify", "grows", "-c", "2", "-m", "512M", "--disk", "160M", "--disk-bps", "8M"];
        const when = (can: boolean) => (can ? "at once" : "at the next start");
        const told = [
          `grows: vcpu: ${when(resizes)}`,
          `grows: memory_in_mb: ${when(resizes)}`,
          `grows: limits: ${when(!resizes)}`,
          "grows: disk_in_mb: at once",
        ];
        expect(ok(await flintlock(...change, "--dry-run"))).toBe(`${told.join("\n")}\n`);
        expect(ok(await flintlock(...change))).toBe(`${told.join("\n")}\n`);
        expect(await ask("cat /sys/block/vda/size")).toBe(`${(160 * 1024 ** 2) / 512}\n`);
        expect(Number(/(\d+)\s+\d+\s+\d+\s+\d+%/.exec(await ask("df -k /"))?.[1])).toBeGreaterThan(
          140 * 1024,
        );
        expect(await ask("nproc")).toBe(resizes ? "2\n" : "1\n");
        expect((await mib("MemTotal")) > 400).toBe(resizes);

        const free = await mib("MemFree");
        expect(ok(await flintlock("modify", "grows", "--balloon", "96M"))).toBe(
          "grows: balloon_mib: at once\n",
        );
        await expect.poll(() => mib("MemFree"), { timeout: 120_000, interval: 1000 }).toBeLessThan(free - 60);
        if (resizes) {
          expect(ok(await flintlock("modify", "grows", "-c", "1"))).toBe("grows: vcpu: at once\n");
          expect(await ask("nproc")).toBe("1\n");
        }
        ok(await flintlock("rm", "--force", "grows"));
      });

      test("a VM gets an address, outlives a kill -9 of the daemon, stands still, stops, grows, starts and goes", async () => {
        ok(await flintlock("run", "-d", "-n", "keeper", ...GUEST, "--", "sleep", "100000"));
        const [vm] = JSON.parse(ok(await flintlock("inspect", "keeper", "-o", "json"))) as [{ uid: string }];
        expect(await processesNaming(vm.uid)).toHaveLength(1);
        const ask = ["exec", "keeper", "--", "sh", "-c"];
        expect(ok(await flintlock(...ask, "ip -4 -o addr"))).toMatch(/inet 10\.77\.0\.\d+\/24/);
        ok(await flintlock(...ask, "ping -c 1 -W 10 10.77.0.1; echo kept > /kept; sync"));

        await daemon.kill("SIGKILL");
        await daemon.start();
        expect(ok(await flintlock(...ask, "cat /kept"))).toBe("kept\n");

        ok(await flintlock("pause", "keeper"));
        ok(await flintlock("resume", "keeper"));
        expect(ok(await flintlock(...ask, "cat /kept"))).toBe("kept\n");

        ok(await flintlock("modify", "keeper", "-m", "384M"));
        ok(await flintlock("stop", "keeper"));
        expect(await processesNaming(vm.uid)).toEqual([]);
        ok(await flintlock("start", "keeper"));
        expect(ok(await flintlock(...ask, "cat /kept"))).toBe("kept\n");
        const memory = ok(await flintlock(...ask, "grep MemTotal /proc/meminfo"));
        expect(Number(/\d+/.exec(memory)?.[0])).toBeGreaterThan(300 * 1024);

        ok(await flintlock("rm", "--force", "keeper"));
        expect(await processesNaming(vm.uid)).toEqual([]);
        expect(lab.links().filter((link) => link.startsWith("fltap"))).toEqual([]);
      });
    });
  }
}
