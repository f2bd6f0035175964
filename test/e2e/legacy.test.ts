/** What a Go client of v0.1.0-alpha.2 sends, byte by byte, makes a real guest. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { legacyWire } from "@flintlock/api";
import { Client, credentials, status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { processesNaming, TestDaemon } from "../support/daemon.ts";
import {
  ALPHA_2_CMDLINE,
  ALPHA_2_CREATE,
  ALPHA_2_DELETE,
  ALPHA_2_GET,
  ALPHA_2_LIST,
  LEGACY_SERVICE,
} from "../support/legacy-requests.ts";
import { rawStream, rawUnary } from "../support/raw-grpc.ts";

const CREATED = 1;

test("create, get, list and delete over the legacy endpoint, with a whole command line", async () => {
  await using daemon = await TestDaemon.start([
    ...["--insecure", "--grpc-endpoint", "localhost:0"],
    ...["--legacy-grpc-endpoint", "localhost:0"],
  ]);
  const client = new Client(await addressOf(daemon, "legacy-grpc"), credentials.createInsecure());
  try {
    const send = (method: string, request: Buffer) => rawUnary(client, LEGACY_SERVICE + method, request);
    const get = async () =>
      fromBinary(legacyWire.GetMicroVMResponseSchema, await send("GetMicroVM", ALPHA_2_GET)).microvm;
    await send("CreateMicroVM", ALPHA_2_CREATE);
    await until(async () => (await get())?.status?.state === CREATED, daemon);
    const streamed = await rawStream(client, `${LEGACY_SERVICE}ListMicroVMsStream`, ALPHA_2_LIST);
    expect(streamed.map((each) => fromBinary(legacyWire.ListMessageSchema, each).microvm?.id)).toEqual([
      "mvm-qemu",
    ]);
    const [seen] = JSON.parse((await daemon.flintlock(["ls", "-o", "json"])).stdout);
    expect(seen).toMatchObject({ name: "mvm-qemu", namespace: "ns1" });
    const [pid = 0] = await processesNaming(seen.uid);
    const args = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    const line = args[args.indexOf("-append") + 1] ?? "";
    expect(line).toContain("root=/dev/vda rw");
    // On a board with PCI that word is left out
    expect([ALPHA_2_CMDLINE, ALPHA_2_CMDLINE.replace("pci=off", "")].some((own) => line.endsWith(own))).toBe(
      true,
    );
    expect(line.match(/console=/g)).toHaveLength(1);
    await send("DeleteMicroVM", ALPHA_2_DELETE);
    const isGone = () =>
      get().then(
        () => false,
        (error: { readonly code?: status }) => error.code === status.NOT_FOUND,
      );
    await until(isGone, daemon);
    expect(await processesNaming(seen.uid)).toEqual([]);
  } finally {
    client.close();
  }
});

const addressOf = async (daemon: TestDaemon, listener: string): Promise<string> => {
  let address: string | undefined;
  await until(async () => {
    address = new RegExp(`"${listener}":"([^"]+)"`).exec(daemon.log)?.[1];
    return address !== undefined;
  }, daemon);
  return address ?? "";
};

const until = async (isSo: () => Promise<boolean>, daemon: TestDaemon): Promise<void> => {
  for (let i = 0; i < 600; i++) {
    if (await isSo()) return;
    await sleep(200);
  }
  throw new Error(`not so in time: ${daemon.log.slice(-2000)}`);
};
