/** Fields of a spec that must mean something in a guest: one microVM has them all, and says what it sees. */
import { readFile } from "node:fs/promises";
import { createClient, ext } from "@flintlock/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDaemon } from "../support/daemon.ts";

const IMAGE = { containerSource: "flintlock.local/busybox:latest" };
const ROOT_PARTITION = "6a1ea9f4-1d8a-4b3c-9b1f-0123456789ab";
const DATA_PARTITION = "6A1EA9F4-1D8A-4B3C-9B1F-BA9876543210";
const base64 = (text: string): string => Buffer.from(text).toString("base64");

/** Each answer on a line of its own, after a word that is found again in the console. */
const SCRIPT = `
  say() { echo "SEEN $1 $(eval "$2" 2>&1 | tr '\\n' ' ')"; }
  say cmdline 'cat /proc/cmdline'
  say root 'grep " / " /proc/mounts'
  say data 'grep " /data " /proc/mounts'
  say part 'grep " /mnt/part " /proc/mounts'
  say write-root 'touch /x && echo written'
  say write-data 'touch /data/x'
  say write-part 'touch /mnt/part/x && echo written'
  say root-mib 'expr $(cat /sys/class/block/vda1/size) / 2048'
  say part-uuid 'dd if=/dev/vdc bs=1 skip=1040 count=16 2>/dev/null | od -An -tx1'
  say data-ro 'cat /sys/class/block/vdb/ro'
  say serials 'cat /sys/class/block/vd?/serial'
  mkdir /seed
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do mount -o ro -t vfat /dev/vdd /seed && break; sleep 1; done
  say seed-label 'dd if=/dev/vdd bs=1 skip=43 count=11 2>/dev/null'
  say seed-names 'ls /seed'
  say seed-user 'cat /seed/user-data'
  say seed-meta 'cat /seed/meta-data'
  say seed-network 'cat /seed/network-config'
  say seed-write 'mount -o remount,rw /seed'
  echo SEEN end
`;

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

const consoleOf = async (target: string): Promise<string> => {
  const parts: Uint8Array[] = [];
  for await (const { data } of client.microvms.logs({ target })) parts.push(data);
  return Buffer.concat(parts).toString();
};

test("a guest has the partitions, sizes, mounts and metadata that its spec asks for", async () => {
  const created = await client.microvms.create({
    requestId: "fields-1",
    process: { command: ["/bin/sh", "-c", SCRIPT], attach: false },
    restart: ext.RestartPolicy.NO,
    microvm: {
      id: "fields",
      labels: { tier: "front" },
      kernel: { addNetworkConfig: true },
      rootVolume: { id: "root", source: IMAGE, partitionId: ROOT_PARTITION, sizeInMb: 48 },
      additionalVolumes: [
        { id: "data", source: IMAGE, isReadOnly: true, mountPoint: "/data", sizeInMb: 32 },
        { id: "part", source: IMAGE, partitionId: DATA_PARTITION, mountPoint: "/mnt/part", sizeInMb: 32 },
      ],
      metadata: {
        "meta-data": base64("# of the test\nlocal_hostname: fields\n"),
        "user-data": base64("#cloud-config\nhostname: fields\n"),
        "not-for-the-disk": base64("x"),
      },
      cpuConfig: { featuresToEnable: ["ssse3"] },
      uid: "01JD0000000000000000000001",
    },
  });
  const spec = created.microvm?.spec;
  const uid = spec?.uid ?? "";
  expect(uid).not.toBe("01JD0000000000000000000001");
  expect(spec).toMatchObject({ labels: { tier: "front" }, provider: "qemu" });
  expect(spec?.cpuConfig?.featuresToEnable).toEqual(["ssse3"]);
  expect(spec?.createdAt?.seconds).toBeGreaterThan(1_700_000_000n);
  for await (const vm of client.microvms.wait({ target: uid, condition: "exited" })) {
    expect(vm.failure).toBe(undefined);
  }
  const text = await consoleOf(uid);
  const seen = Object.fromEntries(
    [...text.matchAll(/SEEN (\S+) (.*?)\s*\r?\n/g)].map(([, key = "", value = ""]) => [key, value]),
  );
  expect(seen["cmdline"]).toContain(`root=PARTUUID=${ROOT_PARTITION}`);
  expect(seen["cmdline"]).toMatch(/ network-config=[A-Za-z0-9+/]+=*( |$)/);
  expect(seen).toMatchObject({
    root: expect.stringMatching(/^\/dev\/vda1 \/ ext4 rw/),
    data: expect.stringMatching(/^\/dev\/vdb \/data ext4 ro/),
    part: expect.stringMatching(/^\/dev\/vdc1 \/mnt\/part ext4 rw/),
    "write-root": "written",
    "write-data": expect.stringContaining("Read-only file system"),
    "write-part": "written",
    "root-mib": "48",
    // The first three groups are little-endian in the table.
    "part-uuid": " f4 a9 1e 6a 8a 1d 3c 4b 9b 1f ba 98 76 54 32 10",
    "data-ro": "1",
    serials: expect.stringContaining("flintlock-cidata"),
    "seed-label": "cidata",
    "seed-names": "meta-data network-config user-data",
    "seed-user": "#cloud-config hostname: fields",
    "seed-meta": `# of the test local_hostname: fields instance_id: ${uid} instance-id: ${uid}`,
    "seed-network": expect.stringContaining(`"version":2`),
    "seed-write": expect.stringMatching(/read-only|Permission denied/),
  });
  expect((await client.microvms.get({ target: uid })).state).toBe(ext.State.EXITED);
});

test("QEMU is given processor features, and one it does not know is refused in words", async () => {
  const { microvm } = await client.microvms.create({
    restart: ext.RestartPolicy.ALWAYS,
    process: { command: ["sleep", "600"] },
    microvm: { id: "cpu", cpuConfig: { featuresToEnable: ["ssse3", "sse4.2"] } },
  });
  const target = microvm?.spec?.uid ?? "";
  for await (const _ of client.microvms.wait({ target, condition: "running" }));
  const status = JSON.parse(await readFile(`${daemon.stateDir}/vm/default/cpu/${target}/vmm.json`, "utf8"));
  const args = (await readFile(`/proc/${status.pid}/cmdline`, "utf8")).split("\0");
  expect(args[args.indexOf("-cpu") + 1]).toMatch(/^(max|host),\+ssse3,\+sse4\.2$/);

  const bad = await client.microvms.create({
    restart: ext.RestartPolicy.NO,
    microvm: { id: "bad", cpuConfig: { featuresToEnable: ["no-such-thing"] } },
  });
  for await (const _ of client.microvms.wait({ target: bad.microvm?.spec?.uid ?? "", condition: "settled" }));
  const { state, failure } = await client.microvms.get({ target: "bad" });
  expect([state, failure?.code]).toEqual([ext.State.FAILED, "unsupported"]);
  expect(failure?.message).toContain("QEMU knows no processor feature no-such-thing");
});
