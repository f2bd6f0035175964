import { extension, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { CreateInput, InterfaceInput } from "../domain/create-input.ts";
import type { Capability, Machine } from "../ports/provider.ts";

const WITH_SERVICE: readonly Capability[] = ["user-network", "metadata-service"];
const KERNEL = { image: "example.test/k:1", filename: "boot/vmlinux", cmdline: {}, addNetworkConfig: false };

const tap = (deviceId: string, changes: Partial<InterfaceInput> = {}): InterfaceInput => ({
  deviceId,
  type: 1,
  guestMac: undefined,
  address: undefined,
  bridgeName: undefined,
  ...changes,
});

const volume = (id: string, changes: object = {}) => ({
  id,
  isReadOnly: false,
  mountPoint: `/${id}`,
  containerSource: "example.test/data:1",
  virtiofsSource: undefined,
  partitionId: undefined,
  sizeInMb: undefined,
  ...changes,
});

const create = async (changes: Partial<CreateInput>, capabilities?: readonly Capability[]) => {
  const world = new World(capabilities);
  const { microvms } = await world.daemon();
  let machine: Machine | undefined;
  world.provider.onStart = (started) => {
    machine = started;
  };
  const vm = await microvms.create(wireInput(changes));
  await settle();
  const [seed] = world.seeds.made.values();
  return { vm, seed, uid: vm.uid, machine };
};

test("a v1alpha1 record has instance ids; a seed disk is made only when there is more to tell", async () => {
  const plain = await create({});
  expect(plain.vm.spec.metadata).toEqual({ "meta-data": `+id:${plain.uid}` });
  expect([plain.seed, plain.machine?.seed]).toEqual([undefined, undefined]);

  const told = await create({ metadata: { "user-data": "dXNlcg==", other: "eA==" } });
  expect(told.seed).toEqual({ "meta-data": `+id:${told.uid}`, "user-data": "dXNlcg==" });
  expect(told.machine?.seed).toMatchObject({ isReadOnly: true });
});

test("flintlock.v1 adds nothing for cloud-init unless cloud-init is given something", async () => {
  const plain = await create({ extension: extension(), metadata: { other: "eA==" } });
  expect([plain.vm.spec.metadata, plain.seed]).toEqual([{ other: "eA==" }, undefined]);
  const told = await create({ extension: extension(), metadata: { "user-data": "eA==" } });
  expect(told.seed).toEqual({ "meta-data": `+id:${told.uid}`, "user-data": "eA==" });
});

test("add_network_config puts it on the seed and the command line, and leaves the record as it was asked", async () => {
  const interfaces = [tap("eth1"), tap("eth2")];
  const kernel = { ...KERNEL, addNetworkConfig: true };
  const own = await create({ interfaces, kernel, metadata: { "network-config": "eA==" } });
  expect(own.vm.spec.metadata["network-config"]).toBe("eA==");
  expect(own.seed?.["network-config"]).toBe("network:eth1,eth2");
  expect(own.machine?.cmdline).toEqual({ "network-config": "network:eth1,eth2" });
  const overridden = await create({
    interfaces,
    kernel: { ...kernel, cmdline: { "network-config": "mine" } },
  });
  expect(overridden.machine?.cmdline).toEqual({ "network-config": "mine" });
});

test("cloud-init that is told anything is told a static address too, unless the caller told it the network", async () => {
  const address = { address: "10.0.0.2/24", gateway: undefined, nameservers: [] };
  const interfaces = [tap("eth1", { address })];
  const told = await create({ interfaces, metadata: { "user-data": "eA==" } });
  expect(told.seed?.["network-config"]).toBe("network:eth1");
  expect(told.machine?.guest).toMatchObject({ isNetworkByCloudInit: true });
  const own = await create({ interfaces, metadata: { "network-config": "eA==" } });
  expect(own.seed?.["network-config"]).toBe("eA==");
  const none = await create({ interfaces });
  expect(none.seed).toBe(undefined);
  expect(none.machine?.guest).toMatchObject({ isNetworkByCloudInit: false });
  const dhcp = await create({ interfaces: [tap("eth1")] });
  expect(dhcp.machine?.guest).toMatchObject({ isNetworkByCloudInit: true });
});

test("the MTU of the host's end is the guest's", async () => {
  const { machine } = await create({ interfaces: [tap("eth1")] });
  expect(machine?.interfaces[0]?.hostDevice).toMatchObject({ kind: "tap", mtu: 1500 });
  expect(machine?.guest?.interfaces[0]).toMatchObject({ name: "eth1", mtu: 1500 });
});

test("eth0 for the metadata service comes first, where the provider has one and the caller no eth0", async () => {
  const { vm, seed } = await create(
    { interfaces: [tap("eth1")], metadata: { "user-data": "eA==" } },
    WITH_SERVICE,
  );
  expect(vm.spec.interfaces.map(({ deviceId }) => deviceId)).toEqual(["eth0", "eth1"]);
  expect(vm.spec.interfaces[0]).toMatchObject({
    type: "tap",
    guestMac: "aa:ff:00:00:00:01",
    address: { address: "169.254.0.1/16" },
  });
  expect(seed).toBe(undefined);
  const own = await create({ interfaces: [tap("eth0", { guestMac: "02:00:00:00:00:01" })] }, WITH_SERVICE);
  expect(own.vm.spec.interfaces.map(({ guestMac }) => guestMac)).toEqual(["02:00:00:00:00:01"]);
  expect((await create({ interfaces: [tap("eth1")] })).vm.spec.interfaces).toHaveLength(1);
});

test("where another's initrd boots, cloud-init mounts the volumes, by the letters they will have", async () => {
  const additionalVolumes = [
    volume("a"),
    volume("b", { mountPoint: undefined }),
    volume("c", { partitionId: "0FC63DAF-8483-4772-8E79-3D69D8477DE4" }),
  ];
  const initrd = { image: "example.test/k:1", filename: "boot/theirs" };
  const theirs = await create({ additionalVolumes, initrd });
  expect(theirs.seed).toEqual({
    "meta-data": `+id:${theirs.uid}`,
    "user-data": "",
    "vendor-data": "+mounts:vdb=/a,vdd1=/c",
  });
  const ours = await create({ additionalVolumes });
  expect(ours.seed).toBe(undefined);
  expect(ours.machine?.guest?.mounts.map(({ device, path }) => [device, path])).toEqual([
    ["/dev/vdb", "/a"],
    ["/dev/vdd1", "/c"],
  ]);
});

test("processor features need a provider that has them, and KVM's numbers one that knows those", async () => {
  const cpuConfig = { featuresToEnable: ["amx-tile"], kvmCapabilitiesToDisable: [] };
  await expect(create({ cpuConfig })).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("not supported by the microvm provider"),
    detail: { field: "cpu_config.features_to_enable" },
  });
  const able: readonly Capability[] = ["user-network", "cpu-features"];
  const { vm, machine } = await create({ cpuConfig }, able);
  expect([vm.spec.cpuConfig, machine?.cpuFeatures]).toEqual([cpuConfig, ["amx-tile"]]);
  const numbers = { featuresToEnable: ["a", "171"], kvmCapabilitiesToDisable: [] };
  const disabled = { featuresToEnable: [], kvmCapabilitiesToDisable: ["56"] };
  await expect(create({ cpuConfig: numbers }, able)).rejects.toMatchObject({
    detail: { field: "cpu_config.features_to_enable[1]" },
  });
  await expect(create({ cpuConfig: disabled }, able)).rejects.toMatchObject({
    detail: { field: "cpu_config.kvm_capabilities_to_disable" },
  });
});
