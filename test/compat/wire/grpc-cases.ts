/** What is asked over gRPC. */
import type { JsonObject } from "@bufbuild/protobuf";
import type { GrpcCase } from "./case.ts";
import { full, minimal, spec } from "./specs.ts";

const SERVICE = "microvm.services.api.v1alpha1.MicroVM";

type Options = Omit<GrpcCase, "name" | "transport" | "method">;

const call = (
  name: string,
  method: string,
  message: JsonObject | undefined,
  more: Options = {},
): GrpcCase => ({
  name: `grpc ${name}`,
  transport: "grpc",
  method: method.includes("/") ? method : `${SERVICE}/${method}`,
  ...(message === undefined ? {} : { message }),
  ...more,
});

/** A create of `minimal` with `changes`; the id comes from the name, so that no two cases meet. */
const create = (name: string, changes: JsonObject, more: Options = {}): GrpcCase =>
  call(
    `create: ${name}`,
    "CreateMicroVM",
    { microvm: spec(`g-${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`, changes) },
    more,
  );

const iface = (changes: JsonObject): JsonObject => ({
  interfaces: [{ ...minimal.interfaces[0], ...changes }],
});
const kernel = (changes: JsonObject): JsonObject => ({ kernel: { ...minimal.kernel, ...changes } });
const root = (changes: JsonObject): JsonObject => ({ rootVolume: { ...minimal.rootVolume, ...changes } });
const volumes = (...additionalVolumes: JsonObject[]): JsonObject => ({ additionalVolumes });
const image = (containerSource: string): JsonObject => ({ source: { containerSource } });

const CREATES: readonly GrpcCase[] = [
  create("minimal", {}),
  create("the same name again", { id: "g-minimal" }),
  call("create: every field", "CreateMicroVM", { microvm: full("g-full"), metadata: {} }),
  create("no namespace", { namespace: "" }),
  call("create: nothing", "CreateMicroVM", {}),
  call("create: an empty spec", "CreateMicroVM", { microvm: {} }),
  create("no id", { id: "" }),
  create("a long id", { id: "a".repeat(63) }),
  create("an id in capitals", { id: "Caps.And_More" }),
  create("labels", { labels: { a: "b" } }),
  create("vcpu 64", { vcpu: 64 }),
  create("vcpu 65", { vcpu: 65 }),
  create("vcpu -1", { vcpu: -1 }),
  create("memory 1024", { memoryInMb: 1024 }),
  create("memory 512", { memoryInMb: 512 }),
  create("memory -1", { memoryInMb: -1 }),
  create("memory 2147483647", { memoryInMb: 2147483647 }),
  create("no kernel", { kernel: null }),
  create("kernel without filename", { kernel: { image: "registry.test/kernel:1" } }),
  create("kernel without image", { kernel: { filename: "boot/vmlinux" } }),
  create("kernel image of one word", kernel({ image: "alpine" })),
  create("kernel image with a scheme", kernel({ image: "https://registry.test/kernel:1" })),
  create(
    "kernel image with blanks and control characters",
    kernel({ image: " registry.test/ker\u0001nel:1\n" }),
  ),
  create("kernel filename out of the image", kernel({ filename: "../../etc/shadow" })),
  create("kernel filename from the root", kernel({ filename: "/boot/vmlinux" })),
  create("initrd without filename", { initrd: { image: "registry.test/kernel:1" } }),
  create("initrd without image", { initrd: { filename: "x" } }),
  create("no root volume", { rootVolume: null }),
  create("an initrd and no root volume", {
    rootVolume: null,
    initrd: { image: "registry.test/kernel:1", filename: "initrd" },
  }),
  create("root volume without id", { rootVolume: { ...image("registry.test/os:1") } }),
  create("root volume without source", { rootVolume: { id: "root" } }),
  create("root volume mounted on the root", root({ mountPoint: "/" })),
  create("root volume of virtiofs", root({ source: { virtiofsSource: "/srv" } })),
  create("additional volume", volumes({ id: "data", ...image("registry.test/data:1") })),
  create("additional volume without id", volumes({ ...image("registry.test/data:1") })),
  create("additional volume without source", volumes({ id: "data" })),
  create("additional volume with root's id", volumes({ id: "root", ...image("registry.test/data:1") })),
  create("additional volume of virtiofs", volumes({ id: "data", source: { virtiofsSource: "/srv" } })),
  create(
    "additional volume with both sources",
    volumes({ id: "data", source: { containerSource: "registry.test/data:1", virtiofsSource: "/srv" } }),
  ),
  create("a negative size", root({ sizeInMb: -1 })),
  create("no interface", { interfaces: [] }),
  create("interface without type", { interfaces: [{ deviceId: "eth1" }] }),
  create("interface of type 9", iface({ type: 9 })),
  create("interface without device id", { interfaces: [{ type: "TAP" }] }),
  create("device id with a slash", iface({ deviceId: "eth/1" })),
  create("device id in capitals", iface({ deviceId: "Eth1" })),
  create("device id eth0", iface({ deviceId: "eth0" })),
  create("a device id twice", { interfaces: [minimal.interfaces[0], minimal.interfaces[0]] }),
  create("a MAC that is none", iface({ guestMac: "x" })),
  create("an address without prefix", iface({ address: { address: "192.0.2.10" } })),
  create("an empty address", iface({ address: {} })),
  create("a gateway without prefix", iface({ address: { address: "192.0.2.10/24", gateway: "192.0.2.1" } })),
  create(
    "a nameserver that is a name",
    iface({ address: { address: "192.0.2.10/24", nameservers: ["dns"] } }),
  ),
  create("provider firecracker", { provider: "firecracker" }),
  create("provider unknown", { provider: "bochs" }),
  create("meta-data that is not base64", { metadata: { "meta-data": "%" } }),
  create("meta-data that is not YAML", {
    metadata: { "meta-data": Buffer.from("- a\n- b\n").toString("base64") },
  }),
  create("user-data that is not base64", { metadata: { "user-data": "%" } }),
  create("metadata of any name", { metadata: { "a b/c": "eA==" } }),
  create("guest agent", { allowGuestAgent: true }),
  create("a spec of 3 MiB", {}, { padding: 3 * 1024 * 1024 }),
  create("a spec of 5 MiB", {}, { padding: 5 * 1024 * 1024 }),
  create("gzip", {}, { isGzipped: true }),
  create("metadata of the call", {}, { metadata: { authorization: "Bearer x", "x-any": "1" } }),
];

/** Field 99 of the spec, then the same cut in the middle of it. */
const UNKNOWN_FIELD = "0a08" + "0a0163" + "9a06026869";
const OTHERS: readonly GrpcCase[] = [
  call("create: an unknown field and little else", "CreateMicroVM", undefined, { hex: UNKNOWN_FIELD }),
  call("create: a message that is cut off", "CreateMicroVM", undefined, { hex: UNKNOWN_FIELD.slice(0, -2) }),
  call("get", "GetMicroVM", { uid: "{{grpc create: minimal}}" }, { isMoving: true }),
  call("get: every field", "GetMicroVM", { uid: "{{grpc create: every field}}" }, { isMoving: true }),
  call("get: nothing", "GetMicroVM", {}),
  call("get: an unknown uid", "GetMicroVM", { uid: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }),
  call("get: a uid that is none", "GetMicroVM", { uid: "a/b" }),
  call("list: one name", "ListMicroVMs", { namespace: "compat", name: "g-full" }, { isMoving: true }),
  call(
    "list: a name used twice",
    "ListMicroVMs",
    { namespace: "compat", name: "g-minimal" },
    { isMoving: true },
  ),
  call("list: a name of any namespace", "ListMicroVMs", { name: "g-no-namespace" }, { isMoving: true }),
  call(
    "list: an empty name is no filter",
    "ListMicroVMs",
    { namespace: "default", name: "" },
    { isMoving: true },
  ),
  call("list: an unknown namespace", "ListMicroVMs", { namespace: "nobody" }),
  call("list: an unknown name", "ListMicroVMs", { namespace: "compat", name: "nobody" }),
  call("stream", "ListMicroVMsStream", { namespace: "default" }, { isMoving: true }),
  call("stream: no namespace", "ListMicroVMsStream", {}),
  call("stream: an unknown namespace", "ListMicroVMsStream", { namespace: "nobody" }),
  call("delete: nothing", "DeleteMicroVM", {}),
  call("delete: an unknown uid", "DeleteMicroVM", { uid: "01ARZ3NDEKTSV4RRFFQ69G5FAV" }),
  call("delete", "DeleteMicroVM", { uid: "{{grpc create: minimal}}" }),
  call("unknown method", `${SERVICE}/UpdateMicroVM`, {}),
  call("unknown service", "microvm.services.api.v2.MicroVM/GetMicroVM", {}),
];

export const GRPC_CASES: readonly GrpcCase[] = [...CREATES, ...OTHERS];
