import type { Machine, Uid } from "@flintlock/core";
import { describe, expect, test } from "vitest";
import { configFile, metadataFile } from "./config-file.ts";
import { metadataContent } from "./metadata.ts";
import { driveId, machineRequests, needsPci, type RequestOptions, statusDevice } from "./requests.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

const bare: Machine = {
  uid: "01J" as Uid,
  label: "ns/vm",
  directory: "/vm",
  vcpu: 2,
  memoryMib: 2048,
  kernelPath: "/k/vmlinux",
  initrdPath: undefined,
  cmdline: {},
  disks: [{ volumeId: "root", path: "/vm/root.raw", format: "raw", isReadOnly: false }],
  interfaces: [],
  ports: [],
  guest: undefined,
};
const eth = (deviceId: string, isForMetadata = false): Machine["interfaces"][number] => ({
  deviceId,
  mac: "02:00:00:00:00:01",
  hostDevice: { name: `tap-${deviceId}`, kind: "tap" },
  ...(isForMetadata && { isForMetadata }),
});
const guest = { version: 1 } as Machine["guest"];

const requestsOf = (machine: Machine, options: Partial<RequestOptions> = {}) =>
  machineRequests(machine, {
    paths: { kernel: machine.kernelPath, initrd: machine.initrdPath, disk: (path) => path },
    hasPci: false,
    metadata: metadataContent(machine, 51_200),
    metadataVersion: "V1",
    architecture: "x64",
    ...options,
  });
const bodyOf = (machine: Machine, path: string, options: Partial<RequestOptions> = {}) =>
  requestsOf(machine, options).find((request) => request.path === path)?.body as
    | Readonly<Record<string, unknown>>
    | undefined;

describe("machineRequests", () => {
  test("a plain machine is told what upstream's would be", () => {
    expect(requestsOf(bare)).toEqual([
      { method: "PUT", path: "/metrics", body: { metrics_path: "firecracker.metrics" } },
      {
        method: "PUT",
        path: "/machine-config",
        body: { vcpu_count: 2, mem_size_mib: 2048, smt: true, track_dirty_pages: false },
      },
      {
        method: "PUT",
        path: "/boot-source",
        body: {
          kernel_image_path: "/k/vmlinux",
          boot_args: "console=ttyS0 reboot=k panic=1 pci=off i8042.noaux i8042.nomux i8042.dumbkbd",
        },
      },
      {
        method: "PUT",
        path: "/drives/root",
        body: {
          drive_id: "root",
          path_on_host: "/vm/root.raw",
          is_root_device: true,
          is_read_only: false,
          cache_type: "Writeback",
        },
      },
      { method: "PUT", path: "/entropy", body: {} },
    ]);
  });

  test("threads are paired only where Firecracker allows it", () => {
    const smt = (vcpu: number, architecture: NodeJS.Architecture = "x64") =>
      bodyOf({ ...bare, vcpu }, "/machine-config", { architecture })?.["smt"];
    expect([smt(1), smt(2), smt(3), smt(4), smt(2, "arm64")]).toEqual([true, true, false, true, false]);
  });

  test("volumes keep their letters; cloud-init's disk and the status come last", () => {
    const machine: Machine = {
      ...bare,
      disks: [
        { ...bare.disks[0], volumeId: "root", path: "/r", format: "raw", isReadOnly: true, partitionId: "p" },
        { volumeId: "my.data", path: "/d", format: "raw", isReadOnly: false },
      ],
      seed: { path: "/seed", format: "raw", isReadOnly: true },
      guest,
    };
    const drives = requestsOf(machine).filter(({ path }) => path.startsWith("/drives/"));
    expect(drives.map(({ body }) => body)).toMatchObject([
      { drive_id: "root", is_root_device: true, is_read_only: true, partuuid: "p", cache_type: "Unsafe" },
      { drive_id: expect.stringMatching(/^my_data_[0-9a-f]{8}$/), is_root_device: false },
      { drive_id: "_cidata", path_on_host: "/seed", is_read_only: true },
      { drive_id: "_status", path_on_host: "status.log", is_read_only: false, cache_type: "Unsafe" },
    ]);
    expect(statusDevice(machine)).toBe("/dev/vdd");
    expect(driveId("a.b")).not.toBe(driveId("a-b"));
  });

  test("a root that the caller names is not named again", () => {
    for (const named of [
      { ...bare, cmdline: { root: "LABEL=x" } },
      { ...bare, wholeCmdline: "root=/dev/vdb" },
    ]) {
      expect(bodyOf(named, "/drives/root")).toMatchObject({ is_root_device: false });
    }
  });

  test("limits become token buckets of a second", () => {
    const limits = { networkBytesPerSecond: 1000, diskBytesPerSecond: 2000, diskOpsPerSecond: 30 };
    const machine = { ...bare, limits, interfaces: [eth("eth1")] };
    expect(bodyOf(machine, "/drives/root")?.["rate_limiter"]).toEqual({
      bandwidth: { size: 2000, refill_time: 1000 },
      ops: { size: 30, refill_time: 1000 },
    });
    const bucket = { bandwidth: { size: 1000, refill_time: 1000 } };
    expect(bodyOf(machine, "/network-interfaces/eth1")).toEqual({
      iface_id: "eth1",
      host_dev_name: "tap-eth1",
      guest_mac: "02:00:00:00:00:01",
      rx_rate_limiter: bucket,
      tx_rate_limiter: bucket,
    });
  });

  test("vsock for an agent, balloon and processor only when asked for", () => {
    const all = { ...bare, guest, balloonMib: 64, cpuFeatures: ["121"], disabledKvmCapabilities: ["56"] };
    expect(bodyOf(all, "/vsock")).toEqual({
      vsock_id: "guest-agent",
      guest_cid: 3,
      uds_path: "guest-agent.vsock",
    });
    expect(bodyOf({ ...bare, hasAgentSocket: true }, "/vsock")).toBeDefined();
    expect(bodyOf(all, "/balloon")).toEqual({
      amount_mib: 64,
      deflate_on_oom: true,
      stats_polling_interval_s: 5,
    });
    expect(bodyOf(all, "/cpu-config")).toEqual({ kvm_capabilities: ["121", "!56"] });
    for (const path of ["/vsock", "/balloon", "/cpu-config"]) expect(bodyOf(bare, path)).toBeUndefined();
  });

  test.each<[string, Partial<Machine>, string]>([
    ["a feature by name", { cpuFeatures: ["avx512f"] }, "cpu_config.features_to_enable[0]"],
    [
      "a network of the user",
      { interfaces: [{ ...eth("eth0"), hostDevice: undefined }] },
      "user-mode network",
    ],
    ["MACVTAP", { interfaces: [{ ...eth("e"), hostDevice: { name: "m", kind: "macvtap" } }] }, "MACVTAP"],
    ["qcow2", { disks: [{ volumeId: "r", path: "/r", format: "qcow2", isReadOnly: false }] }, "raw disks"],
    [
      "more devices than interrupts",
      { interfaces: Array.from({ length: 16 }, (_, n) => eth(`eth${n}`)) },
      "17 devices",
    ],
  ])("%s is refused", (_, change, words) => {
    expect(() => requestsOf({ ...bare, ...change })).toThrow(
      expect.objectContaining({ code: "unsupported", message: expect.stringContaining(words) }),
    );
  });

  test("with PCI there is room for more, and the kernel looks for it", () => {
    const interfaces = Array.from({ length: 16 }, (_, n) => eth(`eth${n}`));
    const machine = { ...bare, interfaces };
    expect([needsPci(machine), needsPci(bare)]).toEqual([true, false]);
    expect(bodyOf(machine, "/boot-source", { hasPci: true })?.["boot_args"]).not.toContain("pci=off");
  });
});

describe("the kernel's command line", () => {
  const argsOf = (change: Partial<Machine>): unknown =>
    bodyOf({ ...bare, ...change }, "/boot-source")?.["boot_args"];

  test("defaults, then the VM's own in their order; a key of the VM replaces a default", () => {
    expect(argsOf({ cmdline: { panic: "5", z: "", a: "1" }, metadata: {} })).toBe(
      "console=ttyS0 reboot=k pci=off i8042.noaux i8042.nomux i8042.dumbkbd ds=nocloud-net;s=http://169.254.169.254/latest/ panic=5 z a=1",
    );
  });

  test("a whole line stays as it is, behind what the machine needs", () => {
    expect(argsOf({ wholeCmdline: "console=ttyS0 pci=off -- single" })).toBe(
      "reboot=k console=ttyS0 pci=off -- single",
    );
  });

  test("room is kept for what Firecracker adds", () => {
    expect(() => argsOf({ cmdline: { long: "x".repeat(1900) } })).toThrow(
      "for 2 devices there is room for 1903",
    );
    expect(argsOf({ cmdline: { long: "x".repeat(1700) } })).toContain("x".repeat(1700));
  });
});

describe("metadata", () => {
  test("is decoded where it is base64, and asked for over the interface that is meant for it", () => {
    const machine = {
      ...bare,
      interfaces: [eth("eth1"), eth("eth0", true)],
      metadata: { "user-data": base64("#cloud-config\nü"), other: "not base64!" },
    };
    const requests = requestsOf(machine, { metadataVersion: "V2" });
    const content = { latest: { "user-data": "#cloud-config\nü", other: "not base64!" } };
    expect(
      requests.filter(({ path }) => path.startsWith("/mmds")).map(({ path, body }) => [path, body]),
    ).toEqual([
      ["/mmds/config", { version: "V2", network_interfaces: ["eth0"] }],
      ["/mmds", content],
    ]);
    expect(JSON.parse(metadataFile(requests) ?? "")).toEqual(content);
  });

  test("goes over the caller's own eth0, or the first; without an interface there is none", () => {
    const over = (...interfaces: Machine["interfaces"]): unknown =>
      bodyOf({ ...bare, metadata: {}, interfaces }, "/mmds/config")?.["network_interfaces"];
    expect(over(eth("eth1"), eth("eth0"))).toEqual(["eth0"]);
    expect(over(eth("eth1"), eth("eth2"))).toEqual(["eth1"]);
    expect(over()).toBeUndefined();
  });

  test("that has no room, or is no text, is refused by name", () => {
    const machine = { ...bare, interfaces: [eth("eth0")] };
    const large = { ...machine, metadata: { "user-data": base64("x".repeat(51_200)) } };
    expect(() => metadataContent(large, 51_200)).toThrow(
      expect.objectContaining({
        code: "invalid_spec",
        message: "metadata: takes 51227 bytes in the metadata service, which has room for 51200",
      }),
    );
    expect(metadataContent(large, 60_000)).toBeDefined();
    const binary = { ...machine, metadata: { k: Buffer.from([0x1f, 0x8b, 0xff]).toString("base64") } };
    expect(() => metadataContent(binary, 51_200)).toThrow("metadata[k]: is not text");
  });
});

test("the file says the same as the requests, under upstream's names", () => {
  const machine = { ...bare, guest, interfaces: [eth("eth0", true)], metadata: {}, balloonMib: 8 };
  const file = JSON.parse(configFile(requestsOf(machine)));
  expect(Object.keys(file).sort()).toEqual(
    [
      ["balloon", "boot-source", "drives", "entropy", "logger", "machine-config", "metrics"],
      ["mmds-config", "network-interfaces", "vsock"],
    ].flat(),
  );
  expect(file.drives).toHaveLength(2);
  expect(file["network-interfaces"]).toHaveLength(1);
});
