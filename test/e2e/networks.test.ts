/** Interfaces of the wire contract with real guests: MACVTAP on a parent, and none of the operator's at all. */
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@flintlock/client";
import { describe, expect, test } from "vitest";
import { processesNaming, TestDaemon } from "../support/daemon.ts";

const CREATED = 1;
const KERNEL = { image: "flintlock.local/kernel:latest", filename: "boot/vmlinuz" };
const ROOT = { id: "root", source: { containerSource: "flintlock.local/busybox:latest" } };
const SPEC = { namespace: "nets", vcpu: 1, memoryInMb: 128, kernel: KERNEL, rootVolume: ROOT };

type Client = ReturnType<typeof createClient>;
type Interface = { readonly deviceId: string; readonly address?: { readonly address: string } };

const running = async (client: Client, id: string, iface: Interface) => {
  const microvm = { ...SPEC, id, interfaces: [iface] };
  const created = await client.v1alpha1.createMicroVM({ microvm });
  const uid = created.microvm?.spec?.uid ?? "";
  for (let i = 0; i < 600; i++) {
    const { microvm } = await client.v1alpha1.getMicroVM({ uid });
    if (microvm?.status?.state === CREATED) return { uid, microvm };
    await sleep(200);
  }
  throw new Error(`${uid} does not come up`);
};

const gone = async (client: Client, uid: string): Promise<void> => {
  await client.v1alpha1.deleteMicroVM({ uid });
  for (let i = 0; i < 300; i++) {
    const isThere = await client.v1alpha1.getMicroVM({ uid }).then(
      () => true,
      () => false,
    );
    if (!isThere) return;
    await sleep(100);
  }
  throw new Error(`${uid} does not go away`);
};

test("an interface as upstream's clients send it gets the user-mode network where there is no other", async () => {
  await using daemon = await TestDaemon.start();
  const client = createClient({ address: `unix://${daemon.socket}` });
  const { uid, microvm } = await running(client, "plain", { deviceId: "eth1" });
  expect(microvm.spec?.interfaces.map(({ deviceId, type }) => [deviceId, type])).toEqual([["eth1", 0]]);
  expect(microvm.status?.networkInterfaces).toEqual({});
  const [pid] = await processesNaming(uid);
  expect(await readFile(`/proc/${pid}/cmdline`, "latin1")).toContain('"type":"user"');
  await gone(client, uid);
  client.close();
});

const cannot = process.getuid?.() === 0 ? undefined : "network namespaces need root";

describe.skipIf(cannot !== undefined)(`MACVTAP${cannot === undefined ? "" : ` (${cannot})`}`, () => {
  test("guests on one parent are reached from its other end, and no VMM has another's descriptor", async () => {
    const namespace = `flintlock-macvtap-${process.pid}`;
    const ip = (...args: readonly string[]): string => String(execFileSync("ip", ["-n", namespace, ...args]));
    execFileSync("ip", ["netns", "add", namespace]);
    try {
      // The kernel keeps a parent from its own guests: the host takes part from the other end of a cable.
      ip("link", "add", "parent0", "mtu", "1450", "type", "veth", "peer", "name", "host0");
      ip("addr", "add", "10.78.0.1/24", "dev", "host0");
      for (const name of ["lo", "parent0", "host0"]) ip("link", "set", name, "up");
      await using daemon = await TestDaemon.start(
        ["--parent-iface", "parent0"],
        ["ip", "netns", "exec", namespace],
      );
      const client = createClient({ address: `unix://${daemon.socket}` });
      const guests = await Promise.all(
        ["10.78.0.2", "10.78.0.3"].map((address, index) =>
          running(client, `mv${index}`, { deviceId: "eth1", address: { address: `${address}/24` } }),
        ),
      );
      for (const address of ["10.78.0.2", "10.78.0.3"]) {
        const ping = ["netns", "exec", namespace, "busybox", "ping", "-c", "1", "-w", "20", address];
        expect(String(execFileSync("ip", ping))).toContain("1 packets received");
      }
      for (const { microvm } of guests) {
        const status = microvm.status?.networkInterfaces["eth1"];
        expect(status?.hostDeviceName).toMatch(/^flvtap/);
        expect(ip("link", "show", "dev", status?.hostDeviceName ?? "")).toContain("mtu 1450");
      }
      const descriptors = await Promise.all(guests.map(({ uid }) => tapDescriptors(uid)));
      expect(descriptors.map((each) => each.length)).toEqual([1, 1]);
      expect(descriptors[0]).not.toEqual(descriptors[1]);
      for (const { uid } of guests) await gone(client, uid);
      expect(ip("-br", "link", "show", "type", "macvtap").trim()).toBe("");
      client.close();
    } finally {
      execFileSync("ip", ["netns", "delete", namespace]);
    }
  });
});

const tapDescriptors = async (uid: string): Promise<readonly string[]> => {
  const [pid] = await processesNaming(uid);
  const listed = String(execFileSync("find", [`/proc/${pid}/fd`, "-lname", "/dev/tap*", "-printf", "%l\n"]));
  return listed.split("\n").filter((line) => line !== "");
};
