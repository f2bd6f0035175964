/**
 * Networks of a test's own, in namespaces that go with it: `host`, where the daemon and its guests are, a `router`, and
 * behind it a second host, `far`.
 *
 *   host:  br0 (MTU 1400) ──┐
 *          br9 (MTU 9000) ──┼── router (DHCP on br0, router advertisements on br0 and parent0) ── far
 *          parent0 (1450) ──┘
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where the router is on each network, and `far`'s own address. */
export const ADDRESSES = {
  br0: { v4: "10.77.0.1", v6: "fd77::1" },
  br9: { v4: "10.79.0.1", v6: "fd79::1" },
  parent0: { v4: "10.78.0.1", v6: "fd78::1" },
  far: { v4: "10.99.0.2", v6: "fd99::2" },
} as const;
/** What DHCP says; nobody is there */
export const DHCP_NAMESERVER = "10.77.0.53";
/** Echoes, on `far` */
export const ECHO_PORT = 7;

type Place = "host" | "router" | "far";
const PLACES = ["host", "router", "far"] as const satisfies readonly Place[];
const MTUS = { br0: 1400, br9: 9000, parent0: 1450 } as const;

export class NetworkLab implements AsyncDisposable {
  readonly #id = `flintlock-lab-${process.pid}`;
  readonly #children: ChildProcess[] = [];
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(): Promise<NetworkLab> {
    const lab = new NetworkLab(await mkdtemp(join(tmpdir(), "flintlock-lab-")));
    try {
      for (const place of PLACES) {
        execFileSync("ip", ["netns", "add", lab.namespace(place)]);
        lab.ip(place, "link", "set", "lo", "up");
      }
      lab.#wire();
      lab.#serve();
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  namespace(place: Place): string {
    return `${this.#id}-${place}`;
  }

  ip(place: Place, ...args: readonly string[]): string {
    return String(execFileSync("ip", ["-n", this.namespace(place), ...args], { stdio: "pipe" }));
  }

  run(place: Place, args: readonly string[], input = ""): string {
    const command = ["netns", "exec", this.namespace(place), ...args];
    return String(execFileSync("ip", command, { input, timeout: 30_000, stdio: "pipe" }));
  }

  /** Names of all links of the daemon's host. */
  links(): readonly string[] {
    const listed = JSON.parse(this.ip("host", "-j", "link", "show")) as readonly {
      readonly ifname: string;
    }[];
    return listed.map(({ ifname }) => ifname).sort();
  }

  #wire(): void {
    for (const bridge of ["br0", "br9"] as const) {
      this.ip("host", "link", "add", bridge, "mtu", String(MTUS[bridge]), "type", "bridge");
      this.#cable("host", `${bridge}port`, `to${bridge}`, MTUS[bridge]);
      this.ip("host", "link", "set", `${bridge}port`, "master", bridge);
      this.ip("host", "link", "set", bridge, "up");
    }
    this.#cable("host", "parent0", "toparent0", MTUS.parent0);
    this.#cable("far", "far0", "tofar", 1500);
    for (const network of ["br0", "br9", "parent0"] as const) {
      const { v4, v6 } = ADDRESSES[network];
      this.#address("router", `to${network}`, v4, v6);
    }
    this.#address("router", "tofar", "10.99.0.1", "fd99::1");
    this.#address("far", "far0", ADDRESSES.far.v4, ADDRESSES.far.v6);
    this.ip("far", "route", "add", "default", "via", "10.99.0.1");
    this.ip("far", "-6", "route", "add", "default", "via", "fd99::1");
    this.run("router", ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
  }

  /** From `place` to the router, up at both ends. */
  #cable(place: Place, name: string, atRouter: string, mtu: number): void {
    const peer = ["peer", "name", atRouter, "mtu", String(mtu), "netns", this.namespace("router")];
    this.ip(place, "link", "add", name, "mtu", String(mtu), "type", "veth", ...peer);
    this.ip(place, "link", "set", name, "up");
    this.ip("router", "link", "set", atRouter, "up");
  }

  #address(place: Place, device: string, v4: string, v6: string): void {
    this.ip(place, "addr", "add", `${v4}/24`, "dev", device);
    this.ip(place, "addr", "add", `${v6}/64`, "dev", device, "nodad");
  }

  #serve(): void {
    this.#start("far", ["busybox", "nc", "-ll", "-p", String(ECHO_PORT), "-e", "/bin/cat"]);
    this.#start("router", [
      ...[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--user=root",
        "--pid-file=",
        "--no-ping",
      ],
      `--dhcp-leasefile=${join(this.#directory, "leases")}`,
      ...["--bind-interfaces", "--interface=tobr0", "--interface=toparent0"],
      ...["--dhcp-range=10.77.0.100,10.77.0.199,10m", `--dhcp-option=option:dns-server,${DHCP_NAMESERVER}`],
      ...["--enable-ra", "--dhcp-range=fd77::,ra-only,64", "--dhcp-range=fd78::,ra-only,64"],
      ...["--ra-param=tobr0,5", "--ra-param=toparent0,5"],
    ]);
  }

  #start(place: Place, command: readonly string[]): void {
    const args = ["netns", "exec", this.namespace(place), ...command];
    this.#children.push(spawn("ip", args, { stdio: "ignore" }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode === null && child.kill("SIGKILL")) await once(child, "exit");
    }
    for (const place of PLACES) {
      try {
        execFileSync("ip", ["netns", "delete", this.namespace(place)], { stdio: "pipe" });
      } catch {
        // It was not made.
      }
    }
    await rm(this.#directory, { recursive: true, force: true });
  }
}
