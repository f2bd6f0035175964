/**
 * Networks with real guests that have nothing inside but busybox: TAP and MACVTAP, IPv4 and IPv6, static and DHCP, and none
 * of the operator's at all.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type MessageInitShape, types } from "@flintlock/client";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { processesNaming, TestDaemon } from "../support/daemon.ts";
import { execIn } from "../support/guest-services.ts";
import { ADDRESSES, DHCP_NAMESERVER, ECHO_PORT, NetworkLab } from "../support/network-lab.ts";

const { CREATED } = types.MicroVMStatus_MicroVMState;
const { MACVTAP, TAP } = types.NetworkInterface_IfaceType;
const KERNEL = { image: "flintlock.local/kernel:latest", filename: "boot/vmlinuz" };
const ROOT = { id: "root", source: { containerSource: "flintlock.local/busybox:latest" } };
const SPEC = {
  namespace: "nets",
  vcpu: 1,
  memoryInMb: 128,
  kernel: KERNEL,
  rootVolume: ROOT,
  allowGuestAgent: true,
};
const SOON = { timeout: 30_000, interval: 200 };

type ApiClient = ReturnType<typeof createClient>;
type Interface = MessageInitShape<typeof types.NetworkInterfaceSchema>;

const create = async (client: ApiClient, id: string, interfaces: readonly Interface[]): Promise<string> => {
  const microvm = { ...SPEC, id, interfaces: [...interfaces] };
  return (await client.v1alpha1.createMicroVM({ microvm })).microvm?.spec?.uid ?? "";
};

const statusOf = async (client: ApiClient, uid: string) =>
  (await client.v1alpha1.getMicroVM({ uid })).microvm?.status;

const becomesCreated = async (client: ApiClient, uid: string): Promise<void> =>
  vi.waitFor(async () => expect((await statusOf(client, uid))?.state).toBe(CREATED), {
    ...SOON,
    timeout: 120_000,
  });

const gone = async (client: ApiClient, uid: string): Promise<void> => {
  await client.v1alpha1.deleteMicroVM({ uid });
  await expect
    .poll(
      () =>
        statusOf(client, uid).then(
          () => "there",
          () => "gone",
        ),
      SOON,
    )
    .toBe("gone");
};

test("an interface as upstream's clients send it gets the user-mode network where there is no other", async () => {
  await using daemon = await TestDaemon.start();
  const client = createClient({ address: `unix://${daemon.socket}` });
  const uid = await create(client, "plain", [{ deviceId: "eth1", type: MACVTAP }]);
  await becomesCreated(client, uid);
  const { microvm } = await client.v1alpha1.getMicroVM({ uid });
  expect(microvm?.spec?.interfaces.map(({ deviceId, type }) => [deviceId, type])).toEqual([["eth1", 0]]);
  expect(microvm?.status?.networkInterfaces).toEqual({});
  const [pid] = await processesNaming(uid);
  expect(await readFile(`/proc/${pid}/cmdline`, "latin1")).toContain('"type":"user"');
  await gone(client, uid);
  client.close();
});

const cannot = process.getuid?.() === 0 ? undefined : "network namespaces need root";

describe.skipIf(cannot !== undefined)(`real networks${cannot === undefined ? "" : ` (${cannot})`}`, () => {
  let lab: NetworkLab;
  let stops: StoppingIp;
  let daemon: TestDaemon;
  let client: ApiClient;
  let grpc: Client;
  let before: readonly string[];
  const uids: Record<"mixed" | "automatic" | "macvtap", string> = { mixed: "", automatic: "", macvtap: "" };

  beforeAll(async () => {
    lab = await NetworkLab.open();
    before = lab.links();
    stops = await stoppingIp();
    daemon = await TestDaemon.start(
      ["--bridge-name", "br0", "--allow-bridge", "br9", "--parent-iface", "parent0", "--enable-exec-api"],
      ["env", `PATH=${stops.directory}:${process.env["PATH"]}`, "ip", "netns", "exec", lab.namespace("host")],
    );
    client = createClient({ address: `unix://${daemon.socket}` });
    grpc = new Client(`unix:${daemon.socket}`, credentials.createInsecure());
    // Names that the kernel gives the other way round.
    uids.mixed = await create(client, "mixed", [
      {
        deviceId: "eth1",
        type: TAP,
        address: {
          address: "10.77.0.10/24",
          gateway: ADDRESSES.br0.v4,
          nameservers: ["10.77.0.54", "fd77::54"],
        },
      },
      {
        deviceId: "eth0",
        type: TAP,
        address: { address: "fd79::10/64", gateway: `${ADDRESSES.br9.v6}/64` },
        overrides: { bridgeName: "br9" },
      },
    ]);
    uids.automatic = await create(client, "automatic", [
      { deviceId: "eth0", type: TAP, guestMac: "02-AA-00-00-00-07" },
      { deviceId: "eth1", type: MACVTAP },
    ]);
    uids.macvtap = await create(client, "macvtap", [
      {
        deviceId: "lan",
        type: MACVTAP,
        address: { address: "10.78.0.3/24", gateway: `${ADDRESSES.parent0.v4}/24` },
      },
    ]);
    for (const uid of Object.values(uids)) await becomesCreated(client, uid);
  });
  afterAll(async () => {
    client?.close();
    grpc?.close();
    await daemon?.[Symbol.asyncDispose]();
    await stops?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  });

  const sh = async (uid: string, script: string): Promise<string> => {
    const { stdout, stderr, code, error, status } = await execIn(grpc, {
      uid,
      cmd: "sh",
      args: ["-c", script],
    });
    if (code !== 0) throw new Error(`${script}: ${code} ${stdout} ${stderr} ${error} ${status?.message}`);
    return stdout.toString().trim();
  };
  const inGuest = (uid: string, name: string, file: string): Promise<string> =>
    sh(uid, `cat /sys/class/net/${name}/${file}`);
  /** More than once: an address of IPv6 is looked after for a second before it answers. */
  const pings = async (uid: string, address: string, ...options: readonly string[]): Promise<void> => {
    const ping = `ping -c 1 -W 1 ${options.join(" ")} ${address}`;
    await sh(uid, `for i in 1 2 3 4 5; do ${ping} && exit; done; exit 1`);
  };

  /** What went out, echoed by `far`, and what came in, echoed by the guest. */
  const carriesTcp = async (uid: string, far: string, guest: string): Promise<void> => {
    const echoed = `head -c 300000 /dev/urandom >/tmp/sent && nc -w 20 ${far} ${ECHO_PORT} </tmp/sent >/tmp/back`;
    await sh(uid, `${echoed} && cmp /tmp/sent /tmp/back && echo same`);
    await sh(uid, "setsid nc -ll -p 7 -e cat </dev/null >/dev/null 2>&1 &");
    const text = "from far\n".repeat(10_000);
    await expect
      .poll(() => quietly(() => lab.run("far", ["busybox", "nc", "-w", "20", guest, "7"], text)), SOON)
      .toBe(text);
  };

  test("two TAPs, on the daemon's bridge and on an allowed one, are the guest's in their order, with names and MTUs", async () => {
    const { mixed } = uids;
    const status = (await statusOf(client, mixed))?.networkInterfaces ?? {};
    for (const [name, bridge, mtu] of [
      ["eth1", "br0", "1400"],
      ["eth0", "br9", "9000"],
    ] as const) {
      const { hostDeviceName = "", index, macAddress } = status[name] ?? {};
      expect(hostDeviceName).toMatch(/^fltap[0-9a-z]{10}$/);
      const [link] = JSON.parse(lab.ip("host", "-j", "link", "show", "dev", hostDeviceName));
      expect(link).toMatchObject({ ifindex: index, master: bridge, mtu: Number(mtu) });
      expect(macAddress).toBe(link.address.toUpperCase());
      expect(await inGuest(mixed, name, "mtu")).toBe(mtu);
    }
    expect(Number(await inGuest(mixed, "eth1", "ifindex"))).toBeLessThan(
      Number(await inGuest(mixed, "eth0", "ifindex")),
    );
  });

  test("static IPv4 with a bare gateway reaches another network, both ways; nameservers are in resolv.conf", async () => {
    const { mixed } = uids;
    expect(await sh(mixed, "cat /etc/resolv.conf")).toBe("nameserver 10.77.0.54\nnameserver fd77::54");
    await pings(mixed, ADDRESSES.far.v4);
    await carriesTcp(mixed, ADDRESSES.far.v4, "10.77.0.10");
  });

  test("static IPv6 with a gateway that has a prefix too, in frames of 9000 bytes", async () => {
    const { mixed } = uids;
    await pings(mixed, ADDRESSES.br9.v6, "-s", "8900");
    expect(await sh(mixed, "grep Ip6FragCreates /proc/net/snmp6")).toMatch(/\s0$/);
    await pings(mixed, ADDRESSES.far.v6);
    await carriesTcp(mixed, ADDRESSES.far.v6, "fd79::10");
  });

  test("without an address DHCP gives one, a route and a nameserver, and a router's advertisement one of IPv6", async () => {
    const { automatic } = uids;
    expect(await inGuest(automatic, "eth0", "address")).toBe("02:aa:00:00:00:07");
    expect(await inGuest(automatic, "eth0", "mtu")).toBe("1400");
    await expect
      .poll(() => sh(automatic, "ip -4 addr show dev eth0"), SOON)
      .toMatch(/inet 10\.77\.0\.1\d\d\/24/);
    expect(await sh(automatic, "cat /etc/resolv.conf")).toBe(`nameserver ${DHCP_NAMESERVER}`);
    const advertised = /inet6 (fd77:[0-9a-f:]+)\/64/;
    await expect.poll(() => sh(automatic, "ip -6 addr show dev eth0"), SOON).toMatch(advertised);
    await pings(automatic, ADDRESSES.far.v4);
    await pings(automatic, ADDRESSES.far.v6);
    const [, v6 = ""] = advertised.exec(await sh(automatic, "ip -6 addr show dev eth0")) ?? [];
    await carriesTcp(automatic, ADDRESSES.far.v6, v6);
  });

  test("a MACVTAP takes the parent's MTU, reaches other networks and other guests, and where only IPv6 is, it does", async () => {
    const { macvtap, automatic } = uids;
    const { hostDeviceName = "", macAddress } =
      (await statusOf(client, macvtap))?.networkInterfaces["lan"] ?? {};
    expect(hostDeviceName).toMatch(/^flvtap[0-9a-z]{9}$/);
    expect(lab.ip("host", "-d", "link", "show", "dev", hostDeviceName)).toMatch(
      /mtu 1450 [\s\S]*macvtap mode bridge/,
    );
    expect((await inGuest(macvtap, "lan", "address")).toUpperCase()).toBe(macAddress);
    expect(await inGuest(macvtap, "lan", "mtu")).toBe("1450");
    await pings(macvtap, ADDRESSES.far.v4);
    await carriesTcp(macvtap, ADDRESSES.far.v4, "10.78.0.3");
    const advertised = /inet6 (fd78:[0-9a-f:]+)\/64/;
    await expect.poll(() => sh(automatic, "ip -6 addr show dev eth1"), SOON).toMatch(advertised);
    const [, neighbour = ""] = advertised.exec(await sh(automatic, "ip -6 addr show dev eth1")) ?? [];
    await pings(macvtap, neighbour);
  });

  test("no VMM has the MACVTAP descriptor of another", async () => {
    const descriptors = await Promise.all(Object.values(uids).map(tapDescriptors));
    expect(descriptors.map((each) => each.length)).toEqual([0, 1, 1]);
    expect(descriptors[1]).not.toEqual(descriptors[2]);
  });

  test("a guest that ends while no daemon is there comes back with its MACs, addresses and devices", async () => {
    const { mixed } = uids;
    const macs = () => sh(mixed, "cat /sys/class/net/eth0/address /sys/class/net/eth1/address");
    const [macsBefore, statusBefore] = [await macs(), await statusOf(client, mixed)];
    expect(new Set(macsBefore.split("\n")).size).toBe(2);
    const [pid] = await processesNaming(mixed);
    await daemon.kill("SIGKILL");
    process.kill(pid ?? 0, "SIGKILL");
    await daemon.start();
    await expect.poll(() => quietly(macs), { ...SOON, timeout: 90_000 }).toBe(macsBefore);
    expect(await processesNaming(mixed)).not.toContain(pid);
    expect((await statusOf(client, mixed))?.networkInterfaces).toEqual(statusBefore?.networkInterfaces);
    await pings(mixed, ADDRESSES.far.v4);
  });

  test("a bridge that the operator did not allow is refused", async () => {
    const foreign = [{ deviceId: "eth0", type: TAP, overrides: { bridgeName: "br0port" } }];
    await expect(create(client, "foreign", foreign)).rejects.toThrow("the bridge br0port is not allowed");
  });

  test("a daemon that is killed in the middle of making interfaces leaves nothing that a deletion does not find", async () => {
    const held = lab.links();
    await stops.at("*alias*flintlock * eth1*");
    const halfway = [
      { deviceId: "eth0", type: TAP },
      { deviceId: "eth1", type: TAP },
    ];
    const uid = await create(client, "halfway", halfway);
    await stops.reached();
    await daemon.kill("SIGKILL");
    await stops.end();
    expect(lab.links()).toHaveLength(held.length + 2);
    await daemon.start();
    await gone(client, uid);
    expect(lab.links()).toEqual(held);
  });

  test("daemon and VMMs killed at once: after the deletion the host has the links it had at first", async () => {
    await daemon.kill("SIGKILL");
    for (const uid of Object.values(uids)) {
      for (const pid of await processesNaming(uid)) process.kill(pid, "SIGKILL");
    }
    await daemon.start();
    await Promise.all(Object.values(uids).map((uid) => gone(client, uid)));
    expect(lab.links()).toEqual(before);
  });
});

const tapDescriptors = async (uid: string): Promise<readonly string[]> => {
  const [pid] = await processesNaming(uid);
  const listed = String(execFileSync("find", [`/proc/${pid}/fd`, "-lname", "/dev/tap*", "-printf", "%l\n"]));
  return listed.split("\n").filter((line) => line !== "");
};

/** For polling: what fails now may work soon. */
const quietly = async <T>(ask: () => T | Promise<T>): Promise<T | undefined> => {
  try {
    return await ask();
  } catch {
    return undefined;
  }
};

interface StoppingIp extends AsyncDisposable {
  /** Holds a program `ip` that hangs where it was told to */
  readonly directory: string;
  /** Hang at the call, or the line of a batch, that matches this shell pattern. */
  at(pattern: string): Promise<void>;
  /** Resolves once it hangs. */
  reached(): Promise<void>;
  /** Ends what hangs, and lets later calls be. */
  end(): Promise<void>;
}

const stoppingIp = async (): Promise<StoppingIp> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-ip-"));
  const [pattern, reached, script] = ["pattern", "reached", "ip"].map((name) => join(directory, name));
  const real = execFileSync("sh", ["-c", "command -v ip"], { encoding: "utf8" }).trim();
  await writeFile(
    script ?? "",
    `#!/bin/sh
pattern=$(cat ${pattern} 2>/dev/null)
hang() { echo $$ >${reached}.new; mv ${reached}.new ${reached}; exec sleep 60; }
case "$*" in
$pattern) hang ;;
*"-batch -")
  lines=
  while IFS= read -r line; do
    case "$line" in $pattern) printf '%s' "$lines" | ${real} "$@"; hang ;; esac
    lines="$lines$line
"
  done
  printf '%s' "$lines" | ${real} "$@"
  exit ;;
esac
exec ${real} "$@"
`,
  );
  await chmod(script ?? "", 0o755);
  return {
    directory,
    at: (text) => writeFile(pattern ?? "", text),
    reached: () => expect.poll(() => existsSync(reached ?? ""), SOON).toBe(true),
    async end() {
      await rm(pattern ?? "");
      process.kill(Number(await readFile(reached ?? "", "utf8")), "SIGKILL");
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
};
