import { World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { InterfaceInput } from "../domain/create-input.ts";

const TAP: InterfaceInput = {
  deviceId: "eth0",
  type: 1,
  guestMac: "aa:ff:00:00:00:01",
  address: { address: "169.254.0.1/16", gateway: undefined, nameservers: [] },
  bridgeName: undefined,
  isForMetadata: true,
};

const interfacesOf = async (...interfaces: readonly InterfaceInput[]) => {
  const { microvms } = await new World().daemon();
  return (await microvms.create(wireInput({ interfaces }))).spec.interfaces;
};

test("without a metadata service an interface for it keeps its place, and is on no bridge", async () => {
  expect(await interfacesOf(TAP, { ...TAP, deviceId: "eth1", isForMetadata: false })).toMatchObject([
    { deviceId: "eth0", isForMetadata: true, isUserMode: true, address: { address: "169.254.0.1/16" } },
    { deviceId: "eth1", isUserMode: false },
  ]);
});

test("a MACVTAP that metadata is asked for over is an ordinary one besides", async () => {
  expect(await interfacesOf({ ...TAP, type: 0 })).toMatchObject([{ isForMetadata: true, isUserMode: false }]);
});

test.each([true, false])(
  "a MACVTAP is refused by a provider without, whether there is a parent: %s",
  async (serves) => {
    const world = new World([]);
    world.host.serves = () => serves;
    const { microvms } = await world.daemon();
    const create = (...interfaces: readonly InterfaceInput[]) => microvms.create(wireInput({ interfaces }));
    await expect(create({ ...TAP, type: 0, isForMetadata: false })).rejects.toMatchObject({
      message: "interfaces[0].type: macvtap network interfaces not supported by the microvm provider",
    });
  },
);
