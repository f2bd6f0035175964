/** The first published API over real sockets, beside today's, on the real core with the simulated provider. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { legacyWire, wire } from "@flintlock/api";
import { silentLog } from "@flintlock/core";
import { settle, World } from "@flintlock/core/testing";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { trustEveryone } from "../../../packages/daemon/src/adapters/api/auth/authenticator.ts";
import { healthService } from "../../../packages/daemon/src/adapters/api/schema/health.ts";
import { type ApiServer, serveApi } from "../../../packages/daemon/src/adapters/api/server.ts";
import { fakeUseCases } from "../../../packages/daemon/src/adapters/api/testing/fake-use-cases.ts";
import { unary } from "../../../packages/daemon/src/adapters/api/testing/grpc-client.ts";
import {
  ALPHA_1_UPDATE_LABELS,
  ALPHA_1_UPDATE_VCPU,
  ALPHA_2_CMDLINE,
  ALPHA_2_CREATE,
  ALPHA_2_DELETE,
  ALPHA_2_GET,
  ALPHA_2_LIST,
  LEGACY_SERVICE,
} from "../../support/legacy-requests.ts";
import { rawBidi, rawStream, rawUnary } from "../../support/raw-grpc.ts";
import { plainListeners } from "./listeners.ts";

const { createMicroVM, deleteMicroVM, getMicroVM } = legacyWire.MicroVM.method;

let directory: string;
let world: World;
let api: ApiServer;
let legacy: Client;
let current: Client;
let url: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-legacy-"));
  world = new World();
  const { microvms } = await world.daemon();
  const useCases = { ...fakeUseCases(), microvms };
  const socketPath = join(directory, "run/api.sock");
  const old = {
    where: { kind: "tcp", address: "localhost:0" },
    authenticate: trustEveryone,
    api: "legacy",
  } as const;
  const listeners = [
    ...plainListeners({ unix: socketPath }),
    { name: "legacy-grpc", protocol: "grpc", ...old } as const,
    { name: "legacy-http", protocol: "http", ...old } as const,
  ];
  const page = { contentType: "text/plain", body: "today's" };
  const pages = [{ path: "/page", access: { kind: "public", serve: async () => page } }] as const;
  api = await serveApi({ useCases: () => useCases, listeners, pages, log: silentLog });
  legacy = new Client(api.addresses["legacy-grpc"] ?? "", credentials.createInsecure());
  current = new Client(`unix:${socketPath}`, credentials.createInsecure());
  url = `http://${api.addresses["legacy-http"]}`;
});
afterEach(async () => {
  legacy.close();
  current.close();
  await api.close(100);
  await rm(directory, { recursive: true });
});

const send = (method: string, request: Buffer) => rawUnary(legacy, LEGACY_SERVICE + method, request);

const http = async (method: string, path: string, body?: unknown) => {
  const response = await fetch(url + path, {
    method,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: JSON.parse(text) };
};

/** As the documents have it, in proto names. */
const DOCUMENTED = {
  id: "mvm1",
  namespace: "ns1",
  labels: { env: "lab" },
  vcpu: 2,
  memory_in_mb: 2048,
  kernel: {
    image: "a.test/kernel:1",
    cmdline: ALPHA_2_CMDLINE,
    filename: "vmlinux",
    add_network_config: true,
  },
  initrd: { image: "a.test/kernel:1", filename: "initrd-generic" },
  volumes: [
    {
      id: "root",
      is_root: true,
      is_read_only: false,
      mount_point: "/",
      source: { container_source: "a.test/os:1" },
    },
  ],
  interfaces: [
    {
      guest_device_name: "eth0",
      type: 1,
      allow_metadata_req: true,
      guest_mac: "AA:FF:00:00:00:01",
      address: "169.254.0.1/16",
    },
    { guest_device_name: "eth1", type: 0, allow_metadata_req: false },
  ],
  metadata: { "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
};

describe("the bytes of a Go client of the first releases", () => {
  test("create, get, list and delete a microVM", async () => {
    const { microvm: made } = fromBinary(
      legacyWire.CreateMicroVMResponseSchema,
      await send("CreateMicroVM", ALPHA_2_CREATE),
    );
    expect(made).toMatchObject({ id: "mvm-qemu", namespace: "ns1", labels: { env: "lab" } });
    expect(made?.kernel?.cmdline).toBe(ALPHA_2_CMDLINE);
    expect(made?.volumes).toMatchObject([
      { id: "root", isRoot: true, mountPoint: "/" },
      { id: "data", isRoot: false, isReadOnly: true, mountPoint: "/data" },
    ]);
    expect(made?.interfaces).toMatchObject([
      { guestDeviceName: "eth0", type: 1, allowMetadataReq: true, address: "169.254.0.1/16" },
      { guestDeviceName: "eth1", type: 0, allowMetadataReq: false },
    ]);
    await expect(send("CreateMicroVM", ALPHA_2_CREATE)).rejects.toMatchObject({
      code: status.ALREADY_EXISTS,
    });
    await settle();
    const got = fromBinary(legacyWire.GetMicroVMResponseSchema, await send("GetMicroVM", ALPHA_2_GET));
    expect(got.microvm).toMatchObject({ spec: { id: "mvm-qemu" }, status: { state: 1, retry: 0 } });
    const list = await send("ListMicroVMs", ALPHA_2_LIST);
    expect(fromBinary(legacyWire.ListMicroVMsResponseSchema, list).microvm).toHaveLength(1);
    const streamed = await rawStream(legacy, `${LEGACY_SERVICE}ListMicroVMsStream`, ALPHA_2_LIST);
    expect(streamed.map((reply) => fromBinary(legacyWire.ListMessageSchema, reply).microvm?.id)).toEqual([
      "mvm-qemu",
    ]);
    expect(await send("DeleteMicroVM", ALPHA_2_DELETE)).toHaveLength(0);
    await settle();
    await expect(send("GetMicroVM", ALPHA_2_GET)).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: "microvm spec ns1/mvm-qemu not found",
    });
  });

  test("update labels, and nothing else", async () => {
    await unary(legacy, createMicroVM, {
      microvm: {
        id: "a1",
        namespace: "ns1",
        vcpu: 1,
        memoryInMb: 1024,
        kernel: { image: "a.test/k:1", cmdline: "console=tty0 console=ttyS0" },
        volumes: [{ id: "root", isRoot: true, source: { containerSource: "a.test/r:1" } }],
      },
    });
    const updated = await send("UpdateMicroVM", ALPHA_1_UPDATE_LABELS);
    expect(fromBinary(legacyWire.UpdateMicroVMResponseSchema, updated).microvm).toMatchObject({
      labels: { env: "prod" },
      vcpu: 1,
    });
    await expect(send("UpdateMicroVM", ALPHA_1_UPDATE_VCPU)).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: "vcpu: cannot be changed; only labels can",
    });
  });
});

test("what either API makes is seen, and can be deleted, by the other", async () => {
  const kernel = { image: "a.test/k:1" };
  await unary(legacy, createMicroVM, {
    microvm: {
      id: "old",
      namespace: "ns",
      kernel: { ...kernel, cmdline: "console=tty0 console=ttyS0 quiet" },
      volumes: [
        { id: "data", source: { containerSource: "a.test/d:1" } },
        { id: "root", isRoot: true, source: { containerSource: "a.test/r:1" } },
      ],
    },
  });
  await unary(current, wire.MicroVM.method.createMicroVM, {
    microvm: {
      id: "new",
      namespace: "ns",
      kernel: { ...kernel, cmdline: { quiet: "", console: "ttyS0" } },
      rootVolume: { id: "root", source: { containerSource: "a.test/r:1" } },
    },
  });
  const { microvm: seen } = await unary(current, wire.MicroVM.method.listMicroVMs, { namespace: "ns" });
  expect(seen.map(({ spec }) => spec?.id)).toEqual(["old", "new"]);
  expect(seen[0]?.spec).toMatchObject({
    kernel: { cmdline: { console: "ttyS0", quiet: "" } },
    rootVolume: { id: "root" },
    additionalVolumes: [{ id: "data" }],
  });
  const { microvm: there } = await unary(legacy, getMicroVM, { id: "new", namespace: "ns" });
  expect(there?.spec).toMatchObject({
    kernel: { cmdline: "quiet console=ttyS0" },
    volumes: [{ id: "root", isRoot: true, mountPoint: "/" }],
  });
  await unary(legacy, deleteMicroVM, { id: "new", namespace: "ns" });
  await unary(current, wire.MicroVM.method.deleteMicroVM, { uid: seen[0]?.spec?.uid ?? "" });
  await settle();
  expect((await unary(current, wire.MicroVM.method.listMicroVMs, {})).microvm).toEqual([]);
});

describe("a request that breaks a rule", () => {
  const create = (change: object) => http("POST", "/v1alpha1/microvm", { ...DOCUMENTED, ...change });

  test("is refused in the first API's own names", async () => {
    const volume = (change: object) => ({ ...DOCUMENTED.volumes[0], ...change });
    for (const [field, change] of [
      ["volumes", { volumes: [], initrd: null }],
      ["volumes[1].is_root", { volumes: [volume({}), volume({ id: "b" })] }],
      ["volumes[0].source.container_source", { volumes: [volume({ source: { container_source: ":" } })] }],
      ["volumes[0].mount_point", { volumes: [volume({ is_root: false, mount_point: "/../x" }), volume({})] }],
      ["interfaces[0].guest_device_name", { interfaces: [{ guest_device_name: "a/b" }] }],
      ["interfaces[0].address", { interfaces: [{ guest_device_name: "eth1", address: "10.0.0.1" }] }],
      ["kernel.cmdline", { kernel: { ...DOCUMENTED.kernel, cmdline: 'a="b' } }],
      ["vcpu", { vcpu: 65 }],
    ] as const) {
      const { status, json } = await create(change);
      expect([status, json.code]).toEqual([400, 3]);
      const violations = json.details.flatMap((each: { fieldViolations?: { field: string }[] }) =>
        (each.fieldViolations ?? []).map((violation) => violation.field),
      );
      expect(violations).toContain(field);
    }
    expect((await http("GET", "/v1alpha1/microvm/ns1")).json).toEqual({ microvm: [] });
  });

  test("is refused where a name or namespace is missing", async () => {
    for (const request of [{ id: "x" }, { namespace: "x" }]) {
      await expect(unary(legacy, getMicroVM, request)).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
      });
    }
    const { listMicroVMs, updateMicroVM } = legacyWire.MicroVM.method;
    for (const call of [
      unary(legacy, listMicroVMs, {}),
      unary(legacy, createMicroVM, {}),
      unary(legacy, updateMicroVM, {}),
      rawStream(legacy, `${LEGACY_SERVICE}ListMicroVMsStream`, Buffer.alloc(0)),
    ]) {
      await expect(call).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    }
  });

  test("of today's layout is not misread as the old one", async () => {
    const request = { id: "new", kernel: { image: "a.test/k:1", cmdline: { quiet: "" } } };
    expect((await http("POST", "/v1alpha1/microvm", request)).status).toBe(400);
  });
});

test("over HTTP, create takes the spec or the whole request, in either spelling, or the query", async () => {
  const spec = await http("POST", "/v1alpha1/microvm", DOCUMENTED);
  expect(spec.status).toBe(200);
  expect(spec.json.microvm).toMatchObject({
    id: "mvm1",
    memoryInMb: 2048,
    kernel: { cmdline: ALPHA_2_CMDLINE, addNetworkConfig: true },
    volumes: [{ isRoot: true, mountPoint: "/", partitionId: "", sizeInMb: 0 }],
    interfaces: [{ guestDeviceName: "eth0", type: "TAP", allowMetadataReq: true }, { type: "MACVTAP" }],
    deletedAt: null,
  });
  const camel = { id: "mvm2", kernel: { image: "a.test/k:1" }, initrd: { image: "a.test/k:1" } };
  const whole = await http("POST", "/v1alpha1/microvm", { microvm: camel, nobody: "knows" });
  expect([whole.status, whole.json.microvm.namespace]).toEqual([200, "default"]);
  const query = "microvm.id=mvm3&microvm.kernel.image=a.test/k:1&microvm.initrd.image=a.test/i:1";
  const asked = await http("POST", `/v1alpha1/microvm?${query}`);
  expect([asked.status, asked.json.microvm.initrd.image]).toEqual([200, "a.test/i:1"]);
  for (const body of ["[]", "null", "1", '"x"', "{", '{"microvm":[]}']) {
    expect((await http("POST", "/v1alpha1/microvm", body)).status).toBe(400);
  }
});

test("over HTTP, the routes are those of the documents", async () => {
  const { microvm: made } = (await http("POST", "/v1alpha1/microvm", DOCUMENTED)).json;
  expect((await http("POST", "/v1alpha1/microvm", { microvm: DOCUMENTED })).status).toBe(409);
  await settle();
  const path = "/v1alpha1/microvm/ns1/mvm1";
  const got = await http("GET", path);
  expect(got.json.microvm).toMatchObject({ spec: { id: "mvm1" }, status: { state: "CREATED" } });
  const list = await http("GET", "/v1alpha1/microvm/ns1");
  expect(list.json.microvm).toEqual([got.json.microvm]);
  const put = await http("PUT", `${path}?update_mask=labels`, { labels: { env: "prod" } });
  expect(put.json.microvm.labels).toEqual({ env: "prod" });
  const whole = { ...made, labels: { env: "test" }, id: "ignored" };
  expect((await http("PUT", path, { microvm: whole })).json.microvm.labels).toEqual({ env: "test" });
  const refused = await http("PUT", `${path}?update_mask=memory_in_mb`, { memoryInMb: 4096 });
  expect([refused.status, refused.json.code]).toEqual([400, status.FAILED_PRECONDITION]);
  const stream = await fetch(`${url}${LEGACY_SERVICE}ListMicroVMsStream`, {
    method: "POST",
    body: '{"namespace":"ns1"}',
  });
  expect(JSON.parse(await stream.text()).result.microvm.id).toBe("mvm1");
  expect(await http("DELETE", path)).toEqual({ status: 200, json: {} });
  await settle();
  expect((await http("GET", path)).status).toBe(404);
  expect((await http("PUT", path, DOCUMENTED)).status).toBe(404);
});

test("today's services and pages are not there", async () => {
  expect((await fetch(`${url}/page`)).status).toBe(404);
  await expect(rawUnary(legacy, "/flintlock.v1.MicroVMs/List", Buffer.alloc(0))).rejects.toMatchObject({
    code: status.UNIMPLEMENTED,
  });
  await expect(send("ServerInfo", Buffer.alloc(0))).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
});

test("health is served, of the one service that is here", async () => {
  const [check] = healthService.methods;
  if (check === undefined) throw new Error("health lacks its methods");
  const path = `/${healthService.typeName}/${check.name}`;
  const about = (service: string) =>
    rawUnary(legacy, path, Buffer.concat([Buffer.from([10, service.length]), Buffer.from(service)]));
  const SERVING = Buffer.from([8, 1]);
  expect(await about("microvm.services.api.v1alpha1.MicroVM")).toEqual(SERVING);
  await expect(about("flintlock.v1.MicroVMs")).rejects.toMatchObject({ code: status.NOT_FOUND });
});

test("reflection tells the old layout here, and today's there", async () => {
  const symbol = "flintlock.types.MicroVMSpec";
  // ServerReflectionRequest.file_containing_symbol = 4
  const request = Buffer.concat([Buffer.from([0x22, symbol.length]), Buffer.from(symbol)]);
  for (const version of ["v1", "v1alpha"]) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const namesIn = async (client: Client): Promise<readonly string[]> => {
      const descriptors = (await rawBidi(client, path, request)).toString("latin1");
      const names = ["is_root", "guest_device_name", "root_volume", "device_id"];
      return names.filter((name) => descriptors.includes(name));
    };
    expect(await namesIn(legacy)).toEqual(["is_root", "guest_device_name"]);
    expect(await namesIn(current)).toEqual(["root_volume", "device_id"]);
  }
});
