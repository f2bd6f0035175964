import type { NetworkInterface, Uid } from "@flintlock/core";
import { expect, test } from "vitest";
import { createNetworkManager } from "./network-manager.ts";

const never = new AbortController().signal;
const uid = "01JDXAMPLE0000000000000000" as Uid;
const iface: NetworkInterface = {
  deviceId: "eth0",
  type: "tap",
  guestMac: undefined,
  address: undefined,
  bridge: undefined,
  isUserMode: false,
};

test("what cannot be done is refused before anything is touched", async () => {
  const manager = createNetworkManager({
    bridge: "flnosuchbridge",
    allowedBridges: ["lo"],
    parent: undefined,
  });
  const refusal = (change: Partial<NetworkInterface>) =>
    manager.ensure({ uid }, { ...iface, ...change }, never);
  await expect(refusal({ type: "macvtap" })).rejects.toThrow("a parent network device name is required");
  await expect(refusal({ bridge: "docker0" })).rejects.toMatchObject({ code: "permission_denied" });
  await expect(refusal({ bridge: "lo" })).rejects.toThrow("the bridge lo is not a bridge");
  await expect(refusal({})).rejects.toMatchObject({
    code: "failed_precondition",
    message: "interface eth0: the bridge flnosuchbridge does not exist",
  });
  const none = createNetworkManager({ bridge: undefined, allowedBridges: [], parent: undefined });
  await expect(none.ensure({ uid }, iface, never)).rejects.toThrow(
    "interface eth0: the daemon has no bridge",
  );
});

test("what does not exist is not observed, and its removal is success", async () => {
  const manager = createNetworkManager({ bridge: undefined, allowedBridges: [], parent: undefined });
  expect(await manager.observe(uid, [iface, { ...iface, deviceId: "eth1" }])).toEqual(new Set());
  await manager.remove(uid, "eth0", never);
});

test("what the operator configured is what an interface may have", () => {
  const manager = createNetworkManager({ bridge: undefined, allowedBridges: ["br9"], parent: "eno1" });
  expect(manager.serves({ ...iface, type: "macvtap" })).toBe(true);
  expect(manager.serves(iface)).toBe(false);
  expect(manager.serves({ ...iface, bridge: "br9" })).toBe(true);
  expect(manager.serves({ ...iface, isForMetadata: true })).toBe(true);
  expect(() => manager.serves({ ...iface, bridge: "docker0" })).toThrow("not allowed");
});
