import { extension, SIMULATED_LIMITS, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { CreateInput, ExtensionInput, InterfaceInput, LimitsInput } from "../domain/create-input.ts";
import { FlintlockError } from "../domain/errors.ts";
import type { ProviderName, ProviderWish } from "../domain/microvm.ts";
import { parseSpec } from "../domain/spec-rules.ts";
import type { Availability, Capability } from "../ports/provider.ts";
import { type Candidate, type ChoiceFacts, chooseProvider } from "./choose-provider.ts";

const WORKS: Availability = { isUsable: true, reason: "works" };
const LACKS: Availability = {
  isUsable: false,
  reason: "there is no program firecracker.",
  hint: "install it",
};

const candidate = (
  name: ProviderName,
  capabilities: readonly Capability[],
  maxVcpu: number,
  availability: Availability = WORKS,
): Candidate => ({
  traits: { name, capabilities: new Set(capabilities), diskFormats: ["raw"], maxVcpu, adjusts: new Set() },
  availability,
});

const FIRECRACKER: readonly Capability[] = ["metadata-service", "rate-limits", "balloon", "kvm-capabilities"];
const CLOUD_HYPERVISOR: readonly Capability[] = ["macvtap", "virtiofs", "rate-limits", "balloon"];
const QEMU: readonly Capability[] = ["user-network", "macvtap", "cpu-features", "disk-limits"];

const hosts = {
  full: [
    candidate("firecracker", FIRECRACKER, 32),
    candidate("cloudhypervisor", CLOUD_HYPERVISOR, 254),
    candidate("qemu", QEMU, 64),
  ],
  "without firecracker": [
    candidate("firecracker", FIRECRACKER, 32, LACKS),
    candidate("cloudhypervisor", CLOUD_HYPERVISOR, 254),
    candidate("qemu", QEMU, 64),
  ],
  "with firecracker alone": [
    candidate("firecracker", FIRECRACKER, 32),
    candidate("cloudhypervisor", CLOUD_HYPERVISOR, 254, LACKS),
    candidate("qemu", QEMU, 64, LACKS),
  ],
  bare: [candidate("firecracker", FIRECRACKER, 32, LACKS), candidate("qemu", QEMU, 64, LACKS)],
} as const satisfies Record<string, readonly Candidate[]>;

type Host = keyof typeof hosts;

/** The daemon has a bridge and a parent, or nothing. */
const network = (isThere: boolean): ChoiceFacts["network"] => ({
  serves: ({ bridge }) => {
    if (bridge === "forbidden") throw new FlintlockError("permission_denied", "not this one");
    return isThere;
  },
});

const iface = (changes: Partial<InterfaceInput> = {}): InterfaceInput => ({
  deviceId: "eth1",
  type: 1,
  guestMac: undefined,
  address: undefined,
  bridgeName: undefined,
  ...changes,
});
const MACVTAP = iface({ type: 0 });
const STATIC = iface({ address: { address: "10.0.0.2/24", gateway: undefined, nameservers: [] } });
const limits = (changes: Partial<LimitsInput>): LimitsInput => ({
  networkBytesPerSecond: 0,
  diskBytesPerSecond: 0,
  diskOpsPerSecond: 0,
  ...changes,
});
const ours = (changes: Partial<ExtensionInput>): Partial<CreateInput> => ({
  extension: extension(changes),
});
const virtiofs = {
  id: "share",
  isReadOnly: false,
  mountPoint: undefined,
  containerSource: undefined,
  virtiofsSource: "/srv/share",
  partitionId: undefined,
  sizeInMb: undefined,
};
const PORT = { hostIp: "", hostPort: 0, guestPort: 80, protocol: "" };

const choose = (
  changes: Partial<CreateInput>,
  { host = "full", provider = "auto", hasLinks = true }: Setting = {},
) => {
  const input = wireInput({ provider, ...changes });
  const parsed = parseSpec(input, {
    ...SIMULATED_LIMITS,
    providers: ["firecracker", "cloudhypervisor", "qemu"],
  });
  return chooseProvider(parsed, {
    candidates: hosts[host],
    network: network(hasLinks),
    isByDefault: false,
  });
};

interface Setting {
  readonly host?: Host;
  readonly provider?: ProviderWish;
  readonly hasLinks?: boolean;
}

test.each<[string, string, Partial<CreateInput>, Setting]>([
  ["qemu", "no interface: people expect a network", {}, {}],
  ["firecracker", "a TAP on the daemon's bridge", { interfaces: [iface()] }, {}],
  ["qemu", "a TAP, and no bridge for it", { interfaces: [iface()] }, { hasLinks: false }],
  ["firecracker", "a static address on a bridge", { interfaces: [STATIC] }, {}],
  ["cloudhypervisor", "MACVTAP with a parent", { interfaces: [MACVTAP] }, {}],
  ["qemu", "MACVTAP without a parent", { interfaces: [MACVTAP] }, { hasLinks: false }],
  ["cloudhypervisor", "virtiofs", { interfaces: [iface()], additionalVolumes: [virtiofs] }, {}],
  ["cloudhypervisor", "virtiofs comes before a network", { additionalVolumes: [virtiofs] }, {}],
  ["qemu", "published ports", ours({ ports: [PORT] }), {}],
  ["qemu", "40 processors and a network", { vcpu: 40 }, {}],
  ["cloudhypervisor", "40 processors on a bridge", { vcpu: 40, interfaces: [iface()] }, {}],
  ["qemu", "a limit of disks", ours({ limits: limits({ diskOpsPerSecond: 10 }) }), {}],
  [
    "firecracker",
    "a limit of interfaces",
    { ...ours({ limits: limits({ networkBytesPerSecond: 4096 }) }), interfaces: [iface()] },
    {},
  ],
  ["firecracker", "a balloon", { ...ours({ balloonMib: 0 }), interfaces: [iface()] }, {}],
  [
    "firecracker",
    "KVM's numbers",
    { cpuConfig: { featuresToEnable: ["171"], kvmCapabilitiesToDisable: [] }, interfaces: [iface()] },
    {},
  ],
  [
    "qemu",
    "a processor feature by name",
    { cpuConfig: { featuresToEnable: ["amx-tile"], kvmCapabilitiesToDisable: [] }, interfaces: [iface()] },
    {},
  ],
  [
    "cloudhypervisor",
    "the first is not installed",
    { interfaces: [iface()] },
    { host: "without firecracker" },
  ],
  ["firecracker", "no network is to be had", {}, { host: "with firecracker alone" }],
  [
    "firecracker",
    "an interface for metadata alone",
    { interfaces: [iface({ deviceId: "eth0", isForMetadata: true })] },
    { hasLinks: false },
  ],
])("auto is %s: %s", (wanted, _why, changes, setting) => {
  const { spec, traits } = choose(changes, setting);
  expect([spec.provider, traits.name]).toEqual([wanted, wanted]);
});

test("what auto preferred is told, with why not; what comes after the choice is not", () => {
  const { reason, passedOver, spec } = choose({}, { host: "without firecracker" });
  expect(passedOver).toEqual([
    { provider: "firecracker", why: "there is no program firecracker" },
    { provider: "cloudhypervisor", why: "no interface is asked for, and it has no network of its own" },
  ]);
  expect(reason).toBe(
    "auto: firecracker was passed over: there is no program firecracker; cloudhypervisor was passed over: no interface is asked for, and it has no network of its own",
  );
  expect(spec.isOffline).toBe(undefined);
  expect(choose({ interfaces: [iface()] })).toMatchObject({
    reason: "auto: the first of those that this daemon knows",
    passedOver: [],
  });
});

test("a guest without a network is said to be one", () => {
  const { spec, reason } = choose({}, { host: "with firecracker alone" });
  expect([spec.isOffline, spec.interfaces]).toEqual([true, []]);
  expect(reason).toMatch(/; no provider here has a network of its own$/);
  expect(choose({}, { provider: "firecracker" }).spec.isOffline).toBe(true);
});

test("the interfaces have the links that the chosen provider gives them", () => {
  expect(choose({ interfaces: [iface()] }, { hasLinks: false }).spec.interfaces[0]?.isUserMode).toBe(true);
  expect(choose({ interfaces: [iface()] }).spec.interfaces[0]?.isUserMode).toBe(false);
});

const refusal = (...args: Parameters<typeof choose>): FlintlockError => {
  try {
    choose(...args);
  } catch (error) {
    if (error instanceof FlintlockError) return error;
  }
  throw new Error("accepted");
};

test("when none fits, one error says of each why, and what would help the one that works", () => {
  const error = refusal(
    { interfaces: [STATIC], ...ours({ balloonMib: 1 }) },
    { host: "full", hasLinks: false },
  );
  expect(error).toMatchObject({
    code: "failed_precondition",
    detail: { field: "interfaces[0].address" },
    hint: "start the daemon with --bridge-name",
  });
  expect(error.message).toMatch(
    /^no microvm provider of this host can run it: firecracker: interfaces\[0\]\.address: a parent network device name is required for attaching a TAP interface; cloudhypervisor: .*; qemu: interfaces/,
  );
  expect(refusal({}, { host: "bare" })).toMatchObject({
    message:
      "no microvm provider of this host can run it: firecracker: there is no program firecracker; qemu: there is no program firecracker",
    hint: "install it",
    detail: { field: "provider" },
  });
});

test("when one could do it and does not work here, what would make it work is the hint", () => {
  const changes = ours({ limits: limits({ networkBytesPerSecond: 4096 }), ports: [] });
  const [firecracker, , qemu] = hosts["without firecracker"];
  const parsed = parseSpec(wireInput({ provider: "auto", ...changes }), {
    ...SIMULATED_LIMITS,
    providers: ["firecracker", "qemu"],
  });
  const facts = { candidates: [firecracker, qemu], network: network(true), isByDefault: false };
  expect(() => chooseProvider(parsed, facts)).toThrow(
    expect.objectContaining({ hint: "install it", detail: { field: "limits.network_bytes_per_second" } }),
  );
});

test("one that is asked for by name is taken, or refused with what it lacks and who has it", () => {
  expect(choose({ interfaces: [iface()] }, { provider: "qemu" })).toMatchObject({
    spec: { provider: "qemu" },
    reason: "asked for by name",
  });
  expect(refusal({ additionalVolumes: [virtiofs] }, { provider: "qemu" })).toMatchObject({
    code: "failed_precondition",
    message: "additional_volumes[0].source: virtiofs not supported by the microvm provider",
    hint: expect.stringMatching(/^cloudhypervisor can; or start the daemon .* --virtiofs-root/),
  });
  const other = { provider: "qemu", host: "with firecracker alone" } as const;
  expect(refusal({ interfaces: [MACVTAP] }, { ...other, provider: "firecracker" }).hint).toBe(
    "cloudhypervisor can, once it works on this host; qemu can, once it works on this host",
  );
  expect(refusal({}, other)).toMatchObject({
    code: "failed_precondition",
    message: "provider: microvm provider qemu isn't available: there is no program firecracker",
    hint: "install it",
    detail: { field: "provider" },
  });
});

test("a bridge that is not allowed is refused as such, whoever would have used it", () => {
  expect(refusal({ interfaces: [iface({ bridgeName: "forbidden" })] }).code).toBe("permission_denied");
});
