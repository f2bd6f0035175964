/** Real TAPs and a real bridge, in a network namespace of the test's own. */
import { execFileSync, spawnSync } from "node:child_process";
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
import { hostDeviceIndex, hostDeviceName } from "../../../packages/daemon/src/adapters/network/names.ts";
import { createNetworkManager } from "../../../packages/daemon/src/adapters/network/network-manager.ts";
import { hostMac } from "../../../packages/daemon/src/adapters/network/tap.ts";
import { unpackGuestFiles } from "../providers/guest-files.ts";
import { createQemuHarness } from "../providers/qemu-harness.ts";

const signal = new AbortController().signal;
const uid = "01JDXAMPLE0000000000000000" as Uid;
const owner = { uid };
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

/** A QEMU without a guest, which opens the TAP by its name and ends. */
const QEMU = ["qemu-system-x86_64", "-machine", "none", "-nodefaults", "-display", "none", "-qmp", "stdio"];
const NETDEV = ["-netdev", `tap,id=net0,ifname=${tap},script=no,downscript=no`];
/** /dev/net/tun is for everybody on most hosts, and in a jail it is the jailed user's. */
const WITH_TUN = `
  mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec "$@"`;
const QUIT = '{"execute":"qmp_capabilities"}{"execute":"quit"}';

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
    const made = await manager.ensure(owner, iface, signal);
    expect(made).toMatchObject({
      hostDeviceName: tap,
      macAddress: hostMac(uid, "eth0").toUpperCase(),
      mtu: 1400,
    });
    expect(await manager.ensure(owner, iface, signal)).toEqual(made);
    const shown = ip("-d", "link", "show", "dev", tap);
    expect(shown).toContain("mtu 1400");
    expect(shown).toContain("master br0");
    expect(shown).toContain(`alias flintlock ${uid} eth0`);
    expect(shown).toMatch(/tun type tap.*user root/);
    expect(await manager.observe(uid, [iface, { ...iface, deviceId: "eth1" }])).toEqual(new Set(["eth0"]));
    await manager.remove(uid, "eth0", signal);
    await manager.remove(uid, "eth0", signal);
    expect(await manager.observe(uid, [iface])).toEqual(new Set());
  });

  test("a device that a crash left half-made is completed, and one on the wrong bridge moved", async () => {
    ip("tuntap", "add", "dev", tap, "mode", "tap");
    expect(await manager.observe(uid, [iface])).toEqual(new Set());
    await manager.ensure(owner, iface, signal);
    expect(await manager.observe(uid, [iface])).toEqual(new Set(["eth0"]));
    await manager.ensure(owner, { ...iface, bridge: "br1" }, signal);
    expect(ip("link", "show", "dev", tap)).toContain("master br1");
    await manager.remove(uid, "eth0", signal);
  });

  test("a MACVTAP device has the guest's MAC, the parent's MTU and mode bridge, and goes like any other", async () => {
    ip("link", "add", "parent0", "mtu", "1450", "type", "veth", "peer", "name", "peer1");
    const macvtap: NetworkInterface = { ...iface, type: "macvtap" };
    await expect(manager.ensure(owner, macvtap, signal)).rejects.toMatchObject({
      message: "interface eth0: the parent parent0 is down",
      hint: "ip link set parent0 up",
    });
    ip("link", "set", "parent0", "up");
    const made = await manager.ensure(owner, macvtap, signal);
    const name = hostDeviceName(uid, "eth0", "macvtap");
    expect(made).toMatchObject({
      hostDeviceName: name,
      macAddress: deriveMac(uid, "eth0").toUpperCase(),
      mtu: 1450,
    });
    expect(made.index).toBe(hostDeviceIndex(uid, "eth0"));
    expect(await manager.ensure(owner, macvtap, signal)).toEqual(made);
    const shown = ip("-d", "link", "show", "dev", name);
    expect(shown).toContain("mtu 1450");
    expect(shown).toContain("macvtap mode bridge");
    expect(await manager.observe(uid, [macvtap])).toEqual(new Set(["eth0"]));
    const asked = await manager.ensure(
      owner,
      { ...macvtap, guestMac: "02:11:22:33:44:55" as MacAddress },
      signal,
    );
    expect(asked.macAddress).toBe("02:11:22:33:44:55");
    await manager.remove(uid, "eth0", signal);
    expect(await manager.observe(uid, [macvtap])).toEqual(new Set());
    ip("link", "delete", "parent0");
    await expect(manager.ensure(owner, macvtap, signal)).rejects.toThrow("the parent parent0 does not exist");
  });

  test("a MACVTAP device of an earlier parent is made anew on today's", async () => {
    const macvtap: NetworkInterface = { ...iface, type: "macvtap" };
    const name = hostDeviceName(uid, "eth0", "macvtap");
    ip("link", "add", "old0", "type", "veth", "peer", "name", "parent0");
    for (const parent of ["old0", "parent0"]) ip("link", "set", parent, "up");
    ip("link", "add", "link", "old0", "name", name, "type", "macvtap", "mode", "bridge");
    await manager.ensure(owner, macvtap, signal);
    expect(ip("link", "show", "dev", name)).toContain(`${name}@parent0`);
    const twin = { uid: "01JDXAMPLE0000000000000001" as Uid };
    const sameMac = { ...macvtap, guestMac: deriveMac(uid, "eth0") };
    await expect(manager.ensure(twin, sameMac, signal)).rejects.toMatchObject({
      code: "failed_precondition",
      message: expect.stringContaining("the MAC address is in use on this host"),
    });
    for (const each of [uid, twin.uid]) await manager.remove(each, "eth0", signal);
    ip("link", "delete", "old0");
  });

  test("the TAP of a metadata interface is up, on no bridge, and needs none", async () => {
    const none = createNetworkManager({
      bridge: "nosuchbridge",
      allowedBridges: [],
      parent: undefined,
      ip: ["ip", "-n", namespace],
    });
    const metadata = { ...iface, isForMetadata: true };
    expect(await none.observe(uid, [metadata])).toEqual(new Set());
    expect(await none.ensure(owner, metadata, signal)).toMatchObject({ hostDeviceName: tap, mtu: 1500 });
    expect(ip("link", "show", "dev", tap)).toMatch(/<[^>]*\bUP\b[^>]*>(?!.*master)/);
    expect(await none.observe(uid, [metadata])).toEqual(new Set(["eth0"]));
    // What a hand put on a bridge, all its like with one address, comes off it.
    ip("link", "set", tap, "master", "br0");
    expect(await none.observe(uid, [metadata])).toEqual(new Set());
    await none.ensure(owner, metadata, signal);
    expect(ip("link", "show", "dev", tap)).not.toContain("master");
    await none.remove(uid, "eth0", signal);
  });

  test("a bridge keeps its MAC address when guests come and go", async () => {
    const macOfBridge = (): string => /ether (\S+)/.exec(ip("link", "show", "dev", "br1"))?.[1] ?? "";
    ip("link", "add", "port0", "type", "veth", "peer", "name", "far0");
    ip("link", "set", "port0", "address", "f6:00:00:00:00:01", "master", "br1");
    expect(macOfBridge()).toBe("f6:00:00:00:00:01");
    await manager.ensure(owner, { ...iface, bridge: "br1" }, signal);
    expect(macOfBridge()).toBe("f6:00:00:00:00:01");
    await manager.remove(uid, "eth0", signal);
    ip("link", "delete", "port0");
  });

  test("a process without privilege opens the TAP that is made for its user, and only that user's", async () => {
    await manager.ensure({ uid, user: { uid: 61_234, gid: 61_235 } }, iface, signal);
    const open = (user: number) => {
      const drop = ["setpriv", `--reuid=${user}`, "--regid=61235", "--clear-groups"];
      const inJail = ["unshare", "--mount", "sh", "-c", WITH_TUN, "sh", ...drop, ...QEMU, ...NETDEV];
      return spawnSync("ip", ["netns", "exec", namespace, ...inJail], { input: QUIT, encoding: "utf8" });
    };
    expect(open(61_234).status).toBe(0);
    expect(open(61_236).stderr).toContain(
      `could not configure /dev/net/tun (${tap}): Operation not permitted`,
    );
    await manager.remove(uid, "eth0", signal);
  });

  test.each([
    ["veth pair", "tap", ["link", "add", tap, "type", "veth", "peer", "name", "peer0"]],
    ["TUN device", "tap", ["tuntap", "add", "dev", tap, "mode", "tun"]],
    ["bridge", "macvtap", ["link", "add", hostDeviceName(uid, "eth0", "macvtap"), "type", "bridge"]],
  ] as const)(
    "a %s with the name of a %s is none of ours: refused, not seen, not removed",
    async (_what, type, add) => {
      const name = hostDeviceName(uid, "eth0", type);
      ip("link", "add", "parent0", "type", "veth", "peer", "name", "far0");
      ip("link", "set", "parent0", "up");
      ip(...add);
      ip("link", "set", name, "up");
      const mine = { ...iface, type };
      await expect(manager.ensure(owner, mine, signal)).rejects.toMatchObject({
        code: "failed_precondition",
      });
      expect(await manager.observe(uid, [mine])).toEqual(new Set());
      await manager.remove(uid, "eth0", signal);
      expect(ip("link", "show", "dev", name)).toContain(name);
      for (const made of [name, "parent0"]) ip("link", "delete", made);
    },
  );

  test("without CAP_NET_ADMIN the refusal names it, and user-mode networking", () => {
    const script = `
      import { createNetworkManager } from ${JSON.stringify(new URL("../../../packages/daemon/src/adapters/network/network-manager.ts", import.meta.url).href)};
      const manager = createNetworkManager({ bridge: "br0", allowedBridges: [], parent: undefined });
      await manager.ensure({ uid: "${uid}" }, ${JSON.stringify(iface)}, new AbortController().signal)
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
      const { hostDeviceName: name } = await manager.ensure(owner, iface, signal);
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
