import { ext } from "@flintlock/api";
import { describe, expect, test } from "vitest";
import { type CreateOptions, createRequest } from "./create-options.ts";
import { updateRequest } from "./update-options.ts";

test("options become a request", () => {
  const request = createRequest({
    image: "nginx:1",
    name: "web",
    namespace: "ci",
    labels: { tier: "front" },
    vcpu: 2,
    memory: "1.5G",
    disk: 512,
    command: "echo hi",
    entrypoint: [],
    env: { A: "1" },
    user: "www",
    cwd: "/srv",
    ports: [80, "8080:81", "127.0.0.1::82/udp", "[::1]:8083:83", { guestPort: 84 }],
    volumes: [
      { source: "data:1", path: "/data", readOnly: true, size: "2G" },
      { source: "/srv", path: "/srv" },
    ],
    limits: { diskBytesPerSecond: 5_000_000_000, diskOpsPerSecond: 9 },
    balloon: 0,
    readyWhen: { conditions: ["tcp:80"], timeoutSeconds: 5 },
    ttlSeconds: 3600,
    expiryAction: "stop",
    restart: "on-failure",
    maxRestarts: 3,
    provider: "qemu",
    pull: "never",
    userData: "#cloud-config",
    protected: true,
    requestId: "r1",
  });
  expect(request.microvm).toMatchObject({
    id: "web",
    namespace: "ci",
    labels: { tier: "front" },
    vcpu: 2,
    memoryInMb: 1536,
    provider: "qemu",
    metadata: { "user-data": Buffer.from("#cloud-config").toString("base64") },
    rootVolume: { id: "root", sizeInMb: 512, source: { containerSource: "nginx:1" } },
    additionalVolumes: [
      {
        id: "volume1",
        mountPoint: "/data",
        isReadOnly: true,
        sizeInMb: 2048,
        source: { containerSource: "data:1" },
      },
      { id: "volume2", mountPoint: "/srv", isReadOnly: false, source: { virtiofsSource: "/srv" } },
    ],
  });
  expect(request.process).toMatchObject({
    command: ["sh", "-c", "echo hi"],
    setEntrypoint: true,
    entrypoint: [],
    env: { A: "1" },
    user: "www",
    cwd: "/srv",
  });
  expect(
    request.ports.map(({ hostIp, hostPort, guestPort, protocol }) => [hostIp, hostPort, guestPort, protocol]),
  ).toEqual([
    ["", 0, 80, "tcp"],
    ["", 8080, 81, "tcp"],
    ["127.0.0.1", 0, 82, "udp"],
    ["::1", 8083, 83, "tcp"],
    ["", 0, 84, "tcp"],
  ]);
  expect(request).toMatchObject({
    restart: ext.RestartPolicy.ON_FAILURE,
    maxRestarts: 3,
    pull: "never",
    protected: true,
    requestId: "r1",
    limits: { diskBytesPerSecond: 5_000_000_000n, diskOpsPerSecond: 9 },
    balloonMib: 0,
    expiry: { ttlSeconds: 3600, idleSeconds: 0, action: ext.Expiry_Action.STOP },
    readyWhen: { conditions: ["tcp:80"], timeoutSeconds: 5 },
  });
  expect(createRequest({}).expiry).toBeUndefined();
  expect(createRequest({ readyWhen: ["agent"] }).readyWhen).toMatchObject({ conditions: ["agent"] });
});

test("changes become a request too", () => {
  const changes = {
    labels: { a: "b" },
    removeLabels: ["c"],
    restart: "no",
    protected: false,
    memory: "1G",
    disk: "2G",
    volumeSizes: { data: "3G" },
    limits: { networkBytesPerSecond: 0 },
    balloon: "64M",
    ttlSeconds: 0,
    idleSeconds: 60,
    expiryAction: "delete",
    publish: ["8080:80"],
    unpublish: [8081, { hostPort: 53, protocol: "udp" as const, hostIp: "127.0.0.1" }],
    ifVersion: 4,
    dryRun: true,
  } as const;
  expect(updateRequest("uid", changes)).toEqual({
    target: "uid",
    labels: { a: "b" },
    removeLabels: ["c"],
    restart: ext.RestartPolicy.NO,
    protected: false,
    memoryInMb: 1024,
    diskInMb: 2048,
    volumeSizes: [{ id: "data", sizeInMb: 3072 }],
    limits: { networkBytesPerSecond: 0n },
    balloonMib: 64,
    ttlSeconds: 0,
    idleSeconds: 60,
    expiryAction: ext.Expiry_Action.DELETE,
    publish: [{ hostIp: "", hostPort: 8080, guestPort: 80, protocol: "tcp" }],
    unpublish: [{ hostPort: 8081 }, { hostPort: 53, protocol: "udp", hostIp: "127.0.0.1" }],
    ifVersion: 4,
    dryRun: true,
  });
  expect(() => updateRequest("uid", { unpublish: [0] })).toThrow("unpublish[0]");
});

test("a request of one's own lies below the options", () => {
  const { microvm } = createRequest({
    vcpu: 4,
    request: {
      microvm: { vcpu: 1, kernel: { image: "kernel:1", cmdline: { quiet: "" } } },
      limits: { diskOpsPerSecond: 9 },
    },
  });
  expect(microvm).toMatchObject({ vcpu: 4, kernel: { image: "kernel:1", cmdline: { quiet: "" } } });
});

describe("what makes no sense is refused by name", () => {
  test.each<[object, string]>([
    [{ cpus: 2 }, "cpus"],
    [{ memory: "much" }, "memory"],
    [{ memory: 0.5 }, "memory"],
    [{ disk: -1 }, "disk"],
    [{ vcpu: 1.5 }, "vcpu"],
    [{ limits: { diskBytesPerSecond: -1 } }, "limits.diskBytesPerSecond"],
    [{ balloon: "x" }, "balloon"],
    [{ ttlSeconds: -1 }, "ttlSeconds"],
    [{ expiryAction: "explode" }, "expiryAction"],
    [{ restart: "sometimes" }, "restart"],
    [{ restart: "toString" }, "restart"],
    [{ ports: ["80:x"] }, "ports[0]"],
    [{ ports: [80, 0] }, "ports[1]"],
    [{ ports: [{ guestPort: 70_000 }] }, "ports[0]"],
    [{ volumes: [{ source: "a", path: "/a", size: "x" }] }, "volumes[0].size"],
  ])("%j", (options, field) => {
    const make = () => createRequest(options as CreateOptions);
    expect(make).toThrow(expect.objectContaining({ name: "ClientError", code: "invalid_spec", field }));
  });
});
