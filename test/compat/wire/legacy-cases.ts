/** What is asked of the first published API, in its own messages. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { Case, GrpcCase, HttpCase } from "./case.ts";

const SERVICE = "microvm.services.api.v1alpha1.MicroVM";

const root = {
  id: "root",
  isRoot: true,
  mountPoint: "/",
  source: { containerSource: "registry.test/os:1" },
} as const satisfies JsonObject;

const minimal = {
  namespace: "old",
  vcpu: 2,
  memoryInMb: 2048,
  kernel: { image: "registry.test/kernel:1", filename: "boot/vmlinux", cmdline: "console=ttyS0 panic=1" },
  volumes: [root],
  interfaces: [{ guestDeviceName: "eth1", type: "TAP" }],
} as const satisfies JsonObject;

const call = (name: string, method: string, message: JsonObject, more: Partial<GrpcCase> = {}): GrpcCase => ({
  name: `grpc ${name}`,
  transport: "grpc",
  method: `${SERVICE}/${method}`,
  message,
  isLegacy: true,
  ...more,
});

const create = (name: string, changes: JsonObject): GrpcCase =>
  call(`create: ${name}`, "CreateMicroVM", {
    microvm: { id: name.toLowerCase().replace(/[^a-z0-9]+/g, "-"), ...minimal, ...changes },
  });

const http = (name: string, request: HttpCase["request"], more: Partial<HttpCase> = {}): HttpCase => ({
  name: `http ${name}`,
  transport: "http",
  request,
  ...more,
});

const FULL: JsonObject = {
  labels: { team: "a" },
  kernel: { ...minimal.kernel, addNetworkConfig: true },
  initrd: { image: "registry.test/kernel:1", filename: "boot/initrd" },
  volumes: [
    { ...root, isReadOnly: true, partitionId: "0f3a1c52-7f5e-4f7e-8f43-bb1d4a0b1f0a", sizeInMb: 2048 },
    { id: "data", mountPoint: "/data", source: { containerSource: "registry.test/data:1" } },
  ],
  interfaces: [
    { guestDeviceName: "eth0", type: "TAP", allowMetadataReq: true, guestMac: "AA:FF:00:00:00:01" },
    { guestDeviceName: "eth1", type: "MACVTAP", address: "192.0.2.9/24" },
  ],
  metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
};

/** Creates without a microVM or a kernel are not among them, nor over HTTP: upstream's daemon dies of each. */
export const LEGACY_CASES: readonly Case[] = [
  create("minimal", {}),
  create("the same name again", { id: "minimal" }),
  create("every field", FULL),
  create("no namespace", { namespace: "" }),
  create("no id", { id: "" }),
  create("no vcpu", { vcpu: 0 }),
  create("no memory", { memoryInMb: 0 }),
  create("no volume", { volumes: [] }),
  create("no root volume", { volumes: [{ ...root, isRoot: false }] }),
  create("two root volumes", { volumes: [root, { ...root, id: "other" }] }),
  create("an initrd and no volume", {
    volumes: [],
    initrd: { image: "registry.test/kernel:1", filename: "boot/initrd" },
  }),
  create("no interface", { interfaces: [] }),
  create("device name in capitals", { interfaces: [{ guestDeviceName: "Eth1", type: "TAP" }] }),
  create("an address without prefix", {
    interfaces: [{ guestDeviceName: "eth1", type: "TAP", address: "192.0.2.9" }],
  }),
  call("get", "GetMicroVM", { id: "minimal", namespace: "old" }, { isMoving: true }),
  call("get: every field", "GetMicroVM", { id: "every-field", namespace: "old" }, { isMoving: true }),
  call("get: nothing", "GetMicroVM", {}),
  call("get: no namespace", "GetMicroVM", { id: "minimal" }),
  call("get: an unknown id", "GetMicroVM", { id: "nobody", namespace: "old" }),
  create("in a namespace of its own", { namespace: "listed" }),
  call("list", "ListMicroVMs", { namespace: "listed" }, { isMoving: true }),
  call("list: an unknown namespace", "ListMicroVMs", { namespace: "nobody" }),
  call("stream", "ListMicroVMsStream", { namespace: "listed" }, { isMoving: true }),
  call("stream: no namespace", "ListMicroVMsStream", {}),
  http("get", "GET /v1alpha1/microvm/old/minimal", { isMoving: true }),
  http("get: an unknown id", "GET /v1alpha1/microvm/old/nobody"),
  http("list", "GET /v1alpha1/microvm/listed", { isMoving: true }),
  http("list: an unknown namespace", "GET /v1alpha1/microvm/nobody"),
  call("delete: nothing", "DeleteMicroVM", {}),
  call("delete: an unknown id", "DeleteMicroVM", { id: "nobody", namespace: "old" }),
  call("delete", "DeleteMicroVM", { id: "minimal", namespace: "old" }),
  http("delete", "DELETE /v1alpha1/microvm/old/every-field"),
];
