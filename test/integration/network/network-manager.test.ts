/** Real TAPs and a real bridge, in a network namespace of the test's own. */
import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  deriveMac,
  type MacAddress,
  type NetworkInterface,
  type NetworkManager,
  type Uid,
} from "@flintlock/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostDeviceName } from "../../../packages/daemon/src/adapters/network/names.ts";
import { createNetworkManager } from "../../../packages/daemon/src/adapters/network/network-manager.ts";
import { unpackGuestFiles } from "../providers/guest-files.ts";
import { createQemuHarness } from "../providers/qemu-harness.ts";

const signal = new AbortController().signal;
const uid = "01JDXAMPLE0000000000000000" as Uid;
const tap = hostDeviceName(uid, "eth0", "tap");
const namespace = `flintlock-test-${process.pid}`;
const iface: NetworkInterface = {
  deviceId: "eth0",
  type: "tap",
  guestMac: undefined,
  address: undefined,
  bridge: undefined,
  isUserMode: false,
};

const ip = (...args: readonly string[]): string => String(execFileSync("ip", ["-n", namespace, ...args]));
const inNamespace = (...args: readonly string[]): string =>
  String(execFileSync("ip", ["netns", "exec", namespace, ...args]));

const cannot = process.getuid?.() === 0 ? undefined : "network namespaces need root";

describe.skipIf(cannot !== undefined)(`TAP devices${cannot === undefined ? "" : ` (${cannot})`}`, () => {
  let manager: NetworkManager;
  beforeAll(() => {
    execFileSync("ip", ["netns", "add", namespace]);
    for (const bridge of ["br0", "br1"]) ip("link", "add", bridge, "type", "bridge");
    ip("link", "set", "br0", "mtu", "1400", "up");
    ip("addr", "add", "10.77.0.1/24", "dev", "br0");
    ip("link", "set", "br1", "up");
    manager = createNetworkManager({
      bridge: "br0",
      allowedBridges: ["br1"],
      parent: "parent0",
      ip: ["ip", "-n", namespace],
    });
  });
  afterAll(() => void execFileSync("ip", ["netns", "delete", namespace]));

  test("a device is made up, on its bridge, with its MTU, once; and removed, once", async () => {
    const made = await manager.ensure(uid, iface, signal);
    expect(made).toMatchObject({ hostDeviceName: tap, macAddress: expect.stringMatching(/^[0-9a-f:]{17}$/) });
    expect(await manager.ensure(uid, iface, signal)).toEqual(made);
    const shown = ip("-d", "link", "show", "dev", tap);
    expect(shown).toContain("mtu 1400");
    expect(shown).toContain("master br0");
    expect(shown).toContain(`alias flintlock ${uid} eth0`);
    expect(shown).toMatch(/tun type tap.*user root/);
    expect(await manager.observe(uid, ["eth0", "eth1"])).toEqual(new Set(["eth0"]));
    await manager.remove(uid, "eth0", signal);
    await manager.remove(uid, "eth0", signal);
    expect(await manager.observe(uid, ["eth0"])).toEqual(new Set());
  });

  test("a device that a crash left half-made is completed, and one on the wrong bridge moved", async () => {
    ip("tuntap", "add", "dev", tap, "mode", "tap");
    expect(await manager.observe(uid, ["eth0"])).toEqual(new Set());
    await manager.ensure(uid, iface, signal);
    expect(await manager.observe(uid, ["eth0"])).toEqual(new Set(["eth0"]));
    await manager.ensure(uid, { ...iface, bridge: "br1" }, signal);
    expect(ip("link", "show", "dev", tap)).toContain("master br1");
    await manager.remove(uid, "eth0", signal);
  });

  test("a MACVTAP device has the guest's MAC, the parent's MTU and mode bridge, and goes like any other", async () => {
    ip("link", "add", "parent0", "mtu", "1450", "type", "veth", "peer", "name", "peer1");
    const macvtap: NetworkInterface = { ...iface, type: "macvtap" };
    const made = await manager.ensure(uid, macvtap, signal);
    const name = hostDeviceName(uid, "eth0", "macvtap");
    expect(made).toMatchObject({ hostDeviceName: name, macAddress: deriveMac(uid, "eth0") });
    expect(await manager.ensure(uid, macvtap, signal)).toEqual(made);
    const shown = ip("-d", "link", "show", "dev", name);
    expect(shown).toContain("mtu 1450");
    expect(shown).toContain("macvtap mode bridge");
    expect(await manager.observe(uid, ["eth0"])).toEqual(new Set(["eth0"]));
    const asked = await manager.ensure(
      uid,
      { ...macvtap, guestMac: "02:11:22:33:44:55" as MacAddress },
      signal,
    );
    expect(asked.macAddress).toBe("02:11:22:33:44:55");
    await manager.remove(uid, "eth0", signal);
    expect(await manager.observe(uid, ["eth0"])).toEqual(new Set());
    ip("link", "delete", "parent0");
    await expect(manager.ensure(uid, macvtap, signal)).rejects.toThrow("the parent parent0 does not exist");
  });

  test("a device of that name that is none of ours is left alone", async () => {
    ip("link", "add", tap, "type", "veth", "peer", "name", "peer0");
    await expect(manager.ensure(uid, iface, signal)).rejects.toMatchObject({ code: "failed_precondition" });
    ip("link", "delete", tap);
  });

  test("without CAP_NET_ADMIN the refusal names it, and user-mode networking", () => {
    const script = `
      import { createNetworkManager } from ${JSON.stringify(new URL("../../../packages/daemon/src/adapters/network/network-manager.ts", import.meta.url).href)};
      const manager = createNetworkManager({ bridge: "br0", allowedBridges: [], parent: undefined });
      await manager.ensure("${uid}", ${JSON.stringify(iface)}, new AbortController().signal)
        .catch((error) => process.stdout.write([error.code, error.message, error.hint].join("\\n")));`;
    const drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
    const node = [process.execPath, "--import", "tsx", "--input-type=module", "-e", script];
    expect(inNamespace(...drop, ...node)).toBe(
      [
        "unsupported",
        "network devices need CAP_NET_ADMIN, which the daemon does not have",
        "Give the daemon CAP_NET_ADMIN, or leave the interfaces out: user-mode networking needs no privilege.",
      ].join("\n"),
    );
  });

  test("a guest on a TAP answers at its own address", async () => {
    const directory = await mkdtemp(join(tmpdir(), "flintlock-guest-"));
    const harness = await createQemuHarness(await unpackGuestFiles(directory));
    try {
      const binary = join(directory, "qemu-in-namespace");
      await writeFile(binary, `#!/bin/sh\nexec ip netns exec ${namespace} qemu-system-x86_64 "$@"\n`);
      await chmod(binary, 0o755);
      const { hostDeviceName: name } = await manager.ensure(uid, iface, signal);
      const mac = "02:00:00:00:00:01";
      const machine = await harness.machine({
        change: (it) => ({
          ...it,
          interfaces: [{ deviceId: "eth0", mac, hostDevice: { name, kind: "tap" } }],
          ...(it.guest && {
            guest: {
              ...it.guest,
              interfaces: [{ mac, name: "eth0", addresses: ["10.77.0.2/24"], gateway: "10.77.0.1" }],
            },
          }),
        }),
      });
      const provider = harness.provider({ binary });
      await provider.start(machine, signal);
      await provider.awaitReady(machine, signal);
      expect(inNamespace("busybox", "ping", "-c", "1", "-w", "20", "10.77.0.2")).toContain(
        "1 packets received",
      );
      await provider.stop(machine, 0, signal);
      await manager.remove(uid, "eth0", signal);
    } finally {
      await harness.close();
      await rm(directory, { recursive: true });
    }
  });
});
