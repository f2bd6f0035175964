/** The API and the core without VMs: durable creates per second, and a list of 10,000. */
import { readFile } from "node:fs/promises";
import { createClient } from "@flintlock/client";
import { Client, credentials } from "@grpc/grpc-js";
import { TestDaemon } from "../test/support/daemon.ts";
import { ms, summarise, timed } from "./stats.ts";

const VMS = 10_000;
const CONCURRENCY = 64;
const LISTS = 30;

export const benchApi = async (): Promise<void> => {
  await using daemon = await TestDaemon.start(["--default-provider", "simulated", "--log-level", "warn"]);
  const client = createClient({ address: `unix://${daemon.socket}` });
  const latencies: number[] = [];
  let next = 0;
  const creator = async (): Promise<void> => {
    while (next < VMS) {
      const index = next++;
      const one = await timed(() => client.v1alpha1.createMicroVM({ microvm: spec(index) }));
      latencies.push(one.ms);
    }
  };
  const all = await timed(() => Promise.all(Array.from({ length: CONCURRENCY }, creator)));
  await settled(client);
  const lists: number[] = [];
  const decoded: number[] = [];
  let count = 0;
  const raw = new Client(`unix://${daemon.socket}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
  });
  for (let i = 0; i < LISTS; i++) {
    lists.push((await timed(() => rawList(raw))).ms);
    const list = await timed(() => client.v1alpha1.listMicroVMs({ namespace: "" }));
    decoded.push(list.ms);
    count = list.value.microvm.length;
  }
  raw.close();
  const status = await readFile(`/proc/${daemon.pid}/status`, "utf8");
  const rss = (name: string) =>
    Math.round(Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))?.[1]) / 1024);
  client.close();
  console.log(`simulated provider, ${VMS} microVMs, ${CONCURRENCY} clients on one connection`);
  console.log(`  durable creates    ${Math.round((VMS / all.ms) * 1000)}/s   goal: 1,000/s or more`);
  console.log(`  one create         ${ms(summarise(latencies))}`);
  console.log(`  list of ${count}      ${ms(summarise(lists))}   goal: 150 ms or less, to the last byte`);
  console.log(`    and decoded      ${ms(summarise(decoded))}   by our client, on this machine too`);
  console.log(
    `  daemon memory      ${rss("VmRSS")} MB now, ${rss("VmHWM")} MB at most   goal: 150 MB or less`,
  );
};

/** The answer's bytes, without decoding them: what the daemon takes, not what our client's decoder does. */
const rawList = (client: Client): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const same = (bytes: Buffer) => bytes;
    const path = "/microvm.services.api.v1alpha1.MicroVM/ListMicroVMs";
    client.makeUnaryRequest(path, same, same, Buffer.alloc(0), (error, value) =>
      error === null && value !== undefined ? resolve(value) : reject(error),
    );
  });

const settled = async (client: ReturnType<typeof createClient>): Promise<void> => {
  for (let i = 0; i < 120; i++) {
    const { microvm } = await client.v1alpha1.listMicroVMs({ namespace: "" });
    if (microvm.every((vm) => vm.status?.state === 1)) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  throw new Error("not all simulated microVMs reached CREATED");
};

const spec = (index: number) => ({
  id: `vm-${index}`,
  namespace: `ns-${index % 10}`,
  vcpu: 2,
  memoryInMb: 2048,
  labels: { team: "bench" },
  kernel: { image: "registry.example/kernel:5.10", filename: "boot/vmlinux", addNetworkConfig: true },
  rootVolume: { id: "root", source: { containerSource: "registry.example/os:1.23" } },
  interfaces: [{ deviceId: "eth1", type: 1 as const }],
  metadata: { "meta-data": "aW5zdGFuY2VfaWQ6IHZtCg==", "user-data": "I2Nsb3VkLWNvbmZpZwo=" },
});
