import { extension, SimulatedProvider, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import type { HostInfo } from "./api.ts";
import { askCandidates } from "./candidates.ts";
import { hostUseCases } from "./host.ts";

const FIRECRACKER = ["metadata-service", "rate-limits", "balloon"] as const;

/** A host with three of them, the first of which can be made to be missing. */
const worldOfThree = () => {
  const world = new World();
  const firecracker = new SimulatedProvider(world.clock, FIRECRACKER, "firecracker");
  const cloudhypervisor = new SimulatedProvider(world.clock, ["virtiofs"], "cloudhypervisor");
  const qemu = new SimulatedProvider(world.clock, ["user-network"], "qemu");
  world.providers.splice(0, 1, firecracker, cloudhypervisor, qemu);
  world.defaultProvider = "auto";
  return { world, firecracker, cloudhypervisor, qemu };
};

const missing = (it: SimulatedProvider): void => {
  it.script.availability = { isUsable: false, reason: "there is no such program", hint: "install it" };
};

const TAP = { deviceId: "eth1", type: 1, guestMac: undefined, address: undefined, bridgeName: undefined };

test("the choice is made once, at the request, and kept with its reason", async () => {
  const { world, firecracker, cloudhypervisor, qemu } = worldOfThree();
  missing(firecracker);
  const daemon = await world.daemon();
  const vm = await daemon.microvms.create(wireInput({ interfaces: [TAP] }));
  expect(vm).toMatchObject({
    spec: { provider: "cloudhypervisor" },
    providerReason: "auto: firecracker was passed over: there is no such program",
  });
  await settle();
  expect([firecracker, cloudhypervisor, qemu].map(({ running }) => running)).toEqual([0, 1, 0]);
  await daemon.reconciler.close();
  firecracker.script.availability = { isUsable: true, reason: "installed since" };
  const heir = await world.daemon();
  await settle();
  expect(heir.repository.find(vm.uid)).toMatchObject({
    spec: { provider: "cloudhypervisor" },
    providerReason: vm.providerReason,
  });
  expect(firecracker.running).toBe(0);
});

test("without a network of the provider's or of the host's the guest has none, and runs", async () => {
  const { world, firecracker } = worldOfThree();
  const { microvms } = await world.daemon();
  const machines: unknown[] = [];
  firecracker.onStart = (machine) => machines.push(machine);
  const vm = await microvms.create(wireInput({ provider: "firecracker", extension: extension() }));
  expect(vm.spec).toMatchObject({ interfaces: [], isOffline: true });
  await settle();
  expect(machines).toMatchObject([{ interfaces: [], guest: { interfaces: [], nameservers: [] } }]);
  const told = { provider: "firecracker", metadata: { "user-data": "eA==" }, extension: extension() };
  expect((await microvms.create(wireInput({ ...told, id: "told" }))).spec.interfaces).toMatchObject([
    { deviceId: "eth0", isForMetadata: true },
  ]);
  const ports = [{ hostIp: "", hostPort: 0, guestPort: 80, protocol: "" }];
  await expect(
    microvms.create(wireInput({ provider: "firecracker", id: "p", extension: extension({ ports }) })),
  ).rejects.toMatchObject({ detail: { field: "ports" }, hint: "qemu can" });
});

test("a microVM whose provider went missing is left alone, and is stopped and deleted all the same", async () => {
  const { world, firecracker } = worldOfThree();
  const first = await world.daemon();
  const vm = await first.microvms.create(wireInput({ provider: "firecracker" }));
  await settle();
  await first.reconciler.close();
  await world.clock.advance(1_000);
  missing(firecracker);
  firecracker.end(vm.uid, undefined);
  const { microvms, repository } = await world.daemon();
  await settle();
  expect(repository.find(vm.uid)?.status).toMatchObject({ state: "created", retry: 0 });
  firecracker.script.availability = { isUsable: true, reason: "installed again" };
  await world.clock.advance(60_000);
  await settle();
  // Its run was a short one: it waits as after any other.
  expect(repository.find(vm.uid)?.status).toMatchObject({ state: "pending", restarts: 1 });
  await world.clock.advance(20_000);
  await settle();
  expect(firecracker.running).toBe(1);
  missing(firecracker);
  await microvms.stop({ target: vm.uid, namespace: "" }, 0);
  await settle();
  expect([repository.find(vm.uid)?.status.state, firecracker.running]).toEqual(["stopped", 0]);
  await microvms.deleteByUid(vm.uid);
  await settle();
  expect([repository.find(vm.uid), firecracker.running]).toEqual([undefined, 0]);
});

test("a provider that fails to answer is as one that does not work", async () => {
  const { world, firecracker } = worldOfThree();
  firecracker.availability = () => Promise.reject(new Error("no /proc"));
  const [first] = await askCandidates({
    providers: new Map([["firecracker", firecracker]]),
    clock: world.clock,
  });
  expect(first?.availability).toEqual({ isUsable: false, reason: "no /proc" });
});

test("a flood of requests asks a provider once a second", async () => {
  const { world, firecracker } = worldOfThree();
  let asked = 0;
  firecracker.availability = async () => {
    asked++;
    return { isUsable: false, reason: "there is no such program" };
  };
  const { microvms } = await world.daemon();
  const ids = Array.from({ length: 50 }, (_, index) => `vm-${index}`);
  await Promise.all(ids.map((id) => microvms.create(wireInput({ id }))));
  expect(asked).toBe(1);
  await world.clock.advance(1_000);
  await microvms.create(wireInput({ id: "later" }));
  expect(asked).toBe(2);
});

const checksOf = async (
  { world, ...made }: ReturnType<typeof worldOfThree>,
  defaultProvider: HostInfo["defaultProvider"],
) => {
  world.defaultProvider = defaultProvider;
  const { microvms, repository } = await world.daemon();
  const info = async () => {
    const candidates = await askCandidates({
      providers: new Map(Object.values(made).map((each) => [each.traits.name, each])),
      clock: world.clock,
    });
    const providers = candidates.map(({ traits: { name }, availability }) => ({ name, ...availability }));
    return { providers, defaultProvider } as unknown as HostInfo;
  };
  const host = hostUseCases({ info, probes: [], microvms, clock: world.clock });
  const checks: Record<string, string> = {};
  for await (const { name, result, detail } of host.check(new AbortController().signal)) {
    checks[name] = `${result}: ${detail}`;
  }
  expect([...repository.all()]).toEqual([]);
  return checks;
};

test("a check tells of each provider, and boots one microVM with each that works", async () => {
  const three = worldOfThree();
  missing(three.cloudhypervisor);
  three.firecracker.script.bootErrors.push(new Error("no KVM after all"));
  // A simulated guest has no agent: here the boot is what is looked at.
  const checks = await checksOf(three, "auto");
  expect(checks).toMatchObject({
    firecracker: "ok: simulated",
    cloudhypervisor: "warn: not available: there is no such program",
    qemu: "ok: simulated",
    boot: expect.stringContaining("a simulated guest has no agent"),
    "boot firecracker": "warn: firecracker: bootMachine: internal error: no KVM after all",
  });
  expect(Object.keys(checks)).not.toContain("boot cloudhypervisor");
  expect(three.qemu.calls.filter((call) => call.startsWith("start"))).toHaveLength(1);
});

test("a check fails when the default cannot boot, and says what to do", async () => {
  const three = worldOfThree();
  missing(three.firecracker);
  expect(await checksOf(three, "firecracker")).toMatchObject({
    firecracker: "fail: not available: there is no such program",
    boot: "fail: provider: microvm provider firecracker isn't available: there is no such program",
  });
});
