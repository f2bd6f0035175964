/** The v1alpha1 contract against real guests, and what a hostile client may try. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type wire } from "@flintlock/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { processesNaming, TestDaemon } from "../support/daemon.ts";

const CREATED = 1;
const KERNEL = { image: "flintlock.local/kernel:latest", filename: "boot/vmlinuz" };
const ROOT = { id: "root", source: { containerSource: "flintlock.local/busybox:latest" } };

let daemon: TestDaemon;
let client: ReturnType<typeof createClient>;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  client = createClient({ address: `unix://${daemon.socket}` });
});
afterAll(async () => {
  client.close();
  await daemon[Symbol.asyncDispose]();
});

type Spec = NonNullable<Parameters<typeof client.v1alpha1.createMicroVM>[0]["microvm"]>;

const create = async (spec: Spec): Promise<string> => {
  const { microvm } = await client.v1alpha1.createMicroVM({ microvm: spec });
  return microvm?.spec?.uid ?? "";
};

const until = async (
  uid: string,
  isSo: (vm: wire.GetMicroVMResponse["microvm"]) => boolean,
): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    const { microvm } = await client.v1alpha1.getMicroVM({ uid });
    if (isSo(microvm)) return;
    await sleep(200);
  }
  throw new Error(`not so in time: ${daemon.log.slice(-2000)}`);
};

const gone = async (uid: string): Promise<void> => {
  for (let i = 0; i < 300; i++) {
    const error = await client.v1alpha1.getMicroVM({ uid }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error !== undefined) {
      expect(error).toMatchObject({ code: "not_found" });
      return;
    }
    await sleep(100);
  }
  throw new Error(`${uid} does not go away`);
};

test("create, get, list, delete: one VM's whole life, and the host as before", async () => {
  const uid = await create({
    id: "mvm0",
    namespace: "ns0",
    vcpu: 1,
    memoryInMb: 256,
    kernel: KERNEL,
    rootVolume: ROOT,
  });
  await until(uid, (vm) => vm?.status?.state === CREATED);
  const { microvm: listed } = await client.v1alpha1.listMicroVMs({ namespace: "ns0", name: "mvm0" });
  expect(listed.map((vm) => vm.spec?.uid)).toEqual([uid]);
  expect(listed[0]?.status?.volumes["root"]?.mount?.source).toContain(uid);
  expect(await processesNaming(uid)).toHaveLength(1);
  await client.v1alpha1.deleteMicroVM({ uid });
  await gone(uid);
  expect(await processesNaming(uid)).toEqual([]);
  expect(existsSync(join(daemon.stateDir, "vm/ns0"))).toBe(false);
});

test("several at once all come up, and a delete in the middle of a boot wins", async () => {
  const uids = await Promise.all(
    ["a", "b", "c", "d", "e", "f"].map((id) =>
      create({ id, namespace: "many", vcpu: 1, memoryInMb: 128, kernel: KERNEL, rootVolume: ROOT }),
    ),
  );
  const [victim = "", ...others] = uids;
  await client.v1alpha1.deleteMicroVM({ uid: victim });
  await gone(victim);
  for (const uid of others) await until(uid, (vm) => vm?.status?.state === CREATED);
  await Promise.all(others.map((uid) => client.v1alpha1.deleteMicroVM({ uid })));
  for (const uid of others) await gone(uid);
  for (const uid of uids) expect(await processesNaming(uid)).toEqual([]);
});

test("a VMM that is killed is started again with its disk, as restart: always says", async () => {
  const uid = await create({
    id: "phoenix",
    namespace: "ns1",
    vcpu: 1,
    memoryInMb: 128,
    kernel: KERNEL,
    rootVolume: ROOT,
  });
  await until(uid, (vm) => vm?.status?.state === CREATED);
  const [pid = 0] = await processesNaming(uid);
  process.kill(pid, "SIGKILL");
  await until(uid, (vm) => vm?.status?.state !== CREATED);
  await until(uid, (vm) => vm?.status?.state === CREATED);
  const [again] = await processesNaming(uid);
  expect(again).not.toBe(pid);
  await client.v1alpha1.deleteMicroVM({ uid });
  await gone(uid);
});

test.each<[string, Spec]>([
  ["id", { id: "a/b", kernel: KERNEL, rootVolume: ROOT }],
  ["id", { id: "..", kernel: KERNEL, rootVolume: ROOT }],
  ["id", { id: `"'`, kernel: KERNEL, rootVolume: ROOT }],
  ["id", { id: "x".repeat(300), kernel: KERNEL, rootVolume: ROOT }],
  ["namespace", { id: "a", namespace: "../../etc", kernel: KERNEL, rootVolume: ROOT }],
  ["vcpu", { id: "a", vcpu: -1, kernel: KERNEL, rootVolume: ROOT }],
  ["memory_in_mb", { id: "a", memoryInMb: 2_147_483_647, kernel: KERNEL, rootVolume: ROOT }],
  ["kernel.image", { id: "a", rootVolume: ROOT }],
  ["kernel.filename", { id: "a", kernel: { ...KERNEL, filename: "../../../etc/shadow" }, rootVolume: ROOT }],
  ["root_volume.size_in_mb", { id: "a", kernel: KERNEL, rootVolume: { ...ROOT, sizeInMb: -4 } }],
  ["additional_volumes[0].id", { id: "a", kernel: KERNEL, rootVolume: ROOT, additionalVolumes: [ROOT] }],
  [
    "interfaces[0].type",
    { id: "a", kernel: KERNEL, rootVolume: ROOT, interfaces: [{ deviceId: "eth1", type: 9 as 1 }] },
  ],
  [
    "interfaces[0].address",
    {
      id: "a",
      kernel: KERNEL,
      rootVolume: ROOT,
      interfaces: [{ deviceId: "eth1", address: { address: "10.0.0.2/24" } }],
    },
  ],
])("a hostile %s is refused by name", async (field, spec) => {
  await expect(client.v1alpha1.createMicroVM({ microvm: spec })).rejects.toMatchObject({ field });
});
