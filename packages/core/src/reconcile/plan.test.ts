import { SIMULATED_LIMITS, wireInput } from "@flintlock/core/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ADJUSTABLE, type Adjustable, type MachineSettings, settingsOf } from "../domain/machine-settings.ts";
import type { GuestExit, MicroVM, MicroVMState, RunWish } from "../domain/microvm.ts";
import { RUNNING } from "../domain/run-wish.ts";
import { imagesOf, volumesOf } from "../domain/spec-parts.ts";
import { parseSpec } from "../domain/spec-rules.ts";
import { type OciReference, type Uid, unixMs } from "../domain/units.ts";
import type { AgentSocketState } from "../ports/provider.ts";
import type { Observed, ObservedMachine, Plan } from "./plan.ts";
import { plan } from "./plan.ts";

const parsed = parseSpec(
  wireInput({
    interfaces: ["eth0", "eth1"].map((deviceId) => ({
      deviceId,
      type: 1,
      guestMac: undefined,
      address: undefined,
      bridgeName: undefined,
    })),
  }),
  SIMULATED_LIMITS,
);
const spec = { ...parsed, provider: "simulated" as const };

const vmIn = (state: MicroVMState): MicroVM => ({
  uid: "01HF0000000000000000000001" as Uid,
  id: "web",
  namespace: "ns",
  spec,
  status: {
    state,
    retry: 0,
    notBefore: undefined,
    failure: undefined,
    exit: undefined,
    restarts: 0,
    images: {},
    volumes: {},
    kernelMount: undefined,
    initrdMount: undefined,
    networkInterfaces: {},
    timings: {},
  },
  createdBy: "",
  createdAt: unixMs(0),
  updatedAt: unixMs(0),
  deletedAt: state === "deleting" ? unixMs(1) : undefined,
  run: RUNNING,
  version: 1,
});

const EXITED: ObservedMachine = {
  state: "exited",
  wasReady: false,
  exit: { code: undefined, reason: "", at: unixMs(0) },
};

const GIB = 1024 ** 3;
const READY: ObservedMachine = { state: "ready", isPaused: false };
const PAUSED: ObservedMachine = { state: "ready", isPaused: true };

const anyObserved: fc.Arbitrary<Observed> = fc.record({
  machine: fc.constantFrom<ObservedMachine>(
    { state: "absent" },
    { state: "booting", isPaused: false },
    { state: "booting", isPaused: true },
    READY,
    PAUSED,
    EXITED,
  ),
  images: fc.subarray([...imagesOf(spec)]).map((list) => new Set<OciReference>(list)),
  volumes: fc
    .subarray(volumesOf(spec).map(({ id }) => id))
    .map((list) => new Map(list.map((id) => [id, GIB]))),
  interfaces: fc.subarray(["eth0", "eth1"]).map((list) => new Set(list)),
  agentSocket: fc.constantFrom<AgentSocketState>("absent", "stale", "open"),
  hasDirectory: fc.boolean(),
});

/** What the host looks like once the step has worked. */
const apply = (observed: Observed, { next }: Extract<Plan, { kind: "step" }>): Observed => {
  switch (next.kind) {
    case "pullImage":
      return { ...observed, images: new Set([...observed.images, next.image]) };
    case "prepareVolume":
      return {
        ...observed,
        hasDirectory: true,
        volumes: new Map([...observed.volumes, [next.volumeId, 8 * GIB]]),
      };
    case "ensureInterface":
      return { ...observed, interfaces: new Set([...observed.interfaces, next.deviceId]) };
    case "bootMachine":
    case "awaitGuest":
    case "resumeMachine":
      return { ...observed, hasDirectory: true, machine: READY };
    case "adjustMachine":
      return { ...observed, machine: READY };
    case "pauseMachine":
      return { ...observed, machine: PAUSED };
    case "beginRun":
    case "awaitCondition":
      return observed;
    case "openAgentSocket":
      return { ...observed, agentSocket: "open" };
    case "closeAgentSocket":
      return { ...observed, agentSocket: "absent" };
    case "stopMachine":
      return { ...observed, machine: { state: "absent" } };
    case "removeInterface":
      return {
        ...observed,
        interfaces: new Set([...observed.interfaces].filter((id) => id !== next.deviceId)),
      };
    case "removeDirectory":
      return { ...observed, hasDirectory: false, volumes: new Map(), machine: { state: "absent" } };
    case "forget":
      return observed;
  }
};

const walk = (
  vm: MicroVM,
  from: Observed,
): { readonly steps: readonly string[]; readonly end: Plan | "forgotten" } => {
  const steps: string[] = [];
  let observed = from;
  for (let budget = 50; budget > 0; budget--) {
    const next = plan(vm, observed);
    if (next.kind !== "step") return { steps, end: next };
    steps.push(next.next.kind);
    if (next.next.kind === "forget") return { steps, end: "forgotten" };
    observed = apply(observed, next);
  }
  throw new Error(`the plan does not end: ${steps.join(" ")}`);
};

const NOTHING: Observed = {
  machine: { state: "absent" },
  images: new Set(),
  volumes: new Map(),
  interfaces: new Set(),
  agentSocket: "absent",
  hasDirectory: false,
};

test("from nothing to a running guest, in this order", () => {
  expect(walk(vmIn("pending"), NOTHING).steps).toEqual([
    "pullImage",
    "pullImage",
    "prepareVolume",
    "ensureInterface",
    "ensureInterface",
    "bootMachine",
  ]);
});

const withAgent = (state: MicroVMState): MicroVM => {
  const vm = vmIn(state);
  return { ...vm, spec: { ...vm.spec, allowGuestAgent: true } };
};

test("with allow_guest_agent the socket to the agent is the last step, and a stale one is replaced", () => {
  expect(walk(withAgent("pending"), NOTHING).steps.slice(-2)).toEqual(["bootMachine", "openAgentSocket"]);
  const adopted = {
    ...NOTHING,
    hasDirectory: true,
    machine: READY,
    agentSocket: "stale",
  } as const;
  expect(walk(withAgent("created"), adopted).steps).toEqual(["openAgentSocket"]);
  expect(walk(vmIn("created"), { ...adopted, agentSocket: "absent" }).steps).toEqual([]);
});

test("a socket to the agent goes first when its guest has gone, whatever is next", () => {
  for (const state of ["pending", "created", "exited", "failed", "deleting"] as const) {
    for (const agentSocket of ["stale", "open"] as const) {
      const gone = { ...NOTHING, hasDirectory: true, machine: EXITED, agentSocket };
      expect(walk(withAgent(state), gone).steps[0]).toBe("closeAgentSocket");
    }
  }
  const running = {
    ...NOTHING,
    hasDirectory: true,
    machine: READY,
    agentSocket: "open",
  } as const;
  expect(walk(withAgent("deleting"), running).steps.slice(0, 2)).toEqual(["stopMachine", "closeAgentSocket"]);
});

test("from whatever is there, a wanted VM ends running and a second look finds nothing to do", () => {
  fc.assert(
    fc.property(anyObserved, (observed) => {
      for (const vm of [vmIn("pending"), withAgent("pending")]) {
        expect(walk(vm, observed).end).toEqual({ kind: "settled", state: "created" });
      }
    }),
  );
});

test("from whatever is there, a deletion makes nothing and forgets the record last", () => {
  const makes = new Set([
    "pullImage",
    "prepareVolume",
    "ensureInterface",
    "bootMachine",
    "awaitGuest",
    "openAgentSocket",
  ]);
  fc.assert(
    fc.property(anyObserved, (observed) => {
      const { steps, end } = walk(vmIn("deleting"), observed);
      expect(end).toBe("forgotten");
      expect(steps.filter((kind) => makes.has(kind))).toEqual([]);
      expect(steps.indexOf("forget")).toBe(steps.length - 1);
    }),
  );
});

test("a failed VM releases what it holds and keeps its record", () => {
  fc.assert(
    fc.property(anyObserved, (observed) => {
      const { steps, end } = walk(vmIn("failed"), observed);
      expect(end).toEqual({ kind: "settled", state: "failed" });
      expect(steps).not.toContain("forget");
    }),
  );
});

test("a guest that ended before it was ready is booted again; one that had been ready has ended", () => {
  const exited = { ...NOTHING, hasDirectory: true, machine: EXITED };
  expect(walk(vmIn("pending"), exited).steps).toContain("bootMachine");
  expect(plan(vmIn("pending"), { ...exited, machine: { ...EXITED, wasReady: true } }).kind).toBe("ended");
  const created = vmIn("created");
  const seenReady = { ...created, status: { ...created.status, readyAt: unixMs(1) } };
  expect(plan(seenReady, exited).kind).toBe("ended");
});

const wishing = (run: Partial<RunWish>, state: MicroVMState = "pending"): MicroVM => ({
  ...vmIn(state),
  run: { ...RUNNING, ...run },
});
const there = (machine: ObservedMachine): Observed => ({
  machine,
  images: new Set(imagesOf(spec)),
  volumes: new Map(volumesOf(spec).map(({ id }) => [id, GIB])),
  interfaces: new Set(["eth0", "eth1"]),
  agentSocket: "absent",
  hasDirectory: true,
});
const BOOTING: ObservedMachine = { state: "booting", isPaused: false };
const ENDED: ObservedMachine = {
  state: "exited",
  wasReady: true,
  exit: { code: 3, reason: "", at: unixMs(5) },
};
const ABSENT: ObservedMachine = { state: "absent" };

test.each<[string, Partial<RunWish>, MicroVMState, ObservedMachine, readonly string[], string]>([
  ["stop of a guest that runs", { state: "stopped" }, "pending", READY, ["stopMachine"], "stopped"],
  ["stop in the middle of a boot", { state: "stopped" }, "pending", BOOTING, ["stopMachine"], "stopped"],
  [
    "stop of one that is paused",
    { state: "stopped" },
    "pending",
    PAUSED,
    ["resumeMachine", "stopMachine"],
    "stopped",
  ],
  [
    "kill of one that is paused",
    { state: "stopped", graceMs: 0 },
    "pending",
    PAUSED,
    ["stopMachine"],
    "stopped",
  ],
  ["stop of one that has ended", { state: "stopped" }, "exited", ENDED, [], "stopped"],
  ["stop of one that failed", { state: "stopped" }, "failed", ABSENT, [], "stopped"],
  ["a host that restarted with one stopped", { state: "stopped" }, "stopped", ENDED, [], "stopped"],
  ["pause", { state: "paused" }, "pending", READY, ["pauseMachine"], "paused"],
  ["pause, once more", { state: "paused" }, "paused", PAUSED, [], "paused"],
  [
    "pause during the boot",
    { state: "paused" },
    "pending",
    BOOTING,
    ["awaitGuest", "pauseMachine"],
    "paused",
  ],
  [
    "pause where nothing runs",
    { state: "paused" },
    "pending",
    ABSENT,
    ["bootMachine", "pauseMachine"],
    "paused",
  ],
  ["resume", {}, "pending", PAUSED, ["resumeMachine"], "created"],
  ["paused by somebody else", {}, "created", PAUSED, ["resumeMachine"], "created"],
  ["resumed by somebody else", { state: "paused" }, "paused", READY, ["pauseMachine"], "paused"],
])("%s", (_name, run, state, machine, steps, end) => {
  const walked = walk(wishing(run, state), there(machine));
  expect(walked.steps).toEqual(steps);
  expect(walked.end).toMatchObject({ kind: "settled", state: end });
});

test("a new run begins once the old one is over, and its end is noted first", () => {
  const anew = wishing({ isAnew: true, graceMs: 7 });
  expect(plan(anew, there(READY))).toMatchObject({ next: { kind: "stopMachine", graceMs: 7 } });
  for (const state of ["pending", "exited", "failed"] as const) {
    const next = { kind: "beginRun", exit: exitOf(ENDED) };
    expect(plan({ ...vmIn(state), run: anew.run }, there(ENDED))).toEqual({ kind: "step", next });
  }
  const begun: MicroVM = { ...vmIn("pending"), status: { ...vmIn("pending").status, exit: exitOf(ENDED) } };
  expect(walk(begun, there(ENDED)).steps).toEqual(["bootMachine"]);
});

test("an end is told once: another one is another end", () => {
  const told: MicroVM = { ...vmIn("pending"), status: { ...vmIn("pending").status, exit: exitOf(ENDED) } };
  expect(plan(told, there(ENDED)).kind).toBe("step");
  const again = { ...ENDED, exit: { ...exitOf(ENDED), at: unixMs(6) } } as ObservedMachine;
  expect(plan(told, there(again)).kind).toBe("ended");
});

test("a paused guest that cannot go on is stopped as it is", () => {
  const stuck = wishing({ state: "stopped" });
  const failure = { step: "resumeMachine", code: "unavailable", message: "", at: unixMs(0) };
  expect(walk({ ...stuck, status: { ...stuck.status, failure } }, there(PAUSED)).steps).toEqual([
    "stopMachine",
  ]);
});

test("from whatever is there, a stop makes nothing, takes nothing away, and settles", () => {
  fc.assert(
    fc.property(anyObserved, (observed) => {
      const { steps, end } = walk(wishing({ state: "stopped" }), observed);
      expect(end).toMatchObject({ kind: "settled", state: "stopped" });
      expect(
        steps.filter((kind) => !["closeAgentSocket", "resumeMachine", "stopMachine"].includes(kind)),
      ).toEqual([]);
    }),
  );
});

test("a failed VM whose guest has run keeps its directory", () => {
  const vm = vmIn("failed");
  fc.assert(
    fc.property(anyObserved, (observed) => {
      const { steps, end } = walk({ ...vm, status: { ...vm.status, hasRun: true } }, observed);
      expect(end).toEqual({ kind: "settled", state: "failed" });
      expect(steps).not.toContain("removeDirectory");
    }),
  );
});

const exitOf = (machine: ObservedMachine): GuestExit | undefined =>
  machine.state === "exited" ? machine.exit : undefined;

const having = (
  change: Partial<MachineSettings>,
  can: readonly Adjustable[] = ADJUSTABLE,
): ObservedMachine => ({
  state: "ready",
  isPaused: false,
  live: { applied: { ...settingsOf(spec), ...change }, can: new Set(can) },
});

test("a running guest that has other than it should is adjusted, where that can be done", () => {
  const kind = (machine: ObservedMachine, vm = vmIn("created")) => {
    const next = plan(vm, there(machine));
    return next.kind === "step" ? next.next.kind : next.kind;
  };
  const limited = { limits: { diskOpsPerSecond: 7 } };
  expect(kind(having({}))).toBe("settled");
  expect(kind(having({ limits: {} }))).toBe("settled");
  expect(kind(having(limited))).toBe("adjustMachine");
  expect(kind(having(limited, ["ports"]))).toBe("settled");
  expect(kind(READY)).toBe("settled");
  // The device comes with a start, and there is no room for more processors.
  expect(kind(having({ vcpu: 3 }))).toBe("settled");
  expect(kind(having({ balloonMib: 0 }))).toBe("settled");

  const created = vmIn("created");
  const failure = { step: "adjustMachine", code: "provider_failed", message: "", at: unixMs(0) };
  const failed = { ...created, status: { ...created.status, failure } };
  expect(kind(having(limited), failed)).toBe("settled");
  // Whoever stands still is left so, and what is to end is not adjusted first.
  const paused = { ...having(limited), isPaused: true };
  expect(kind(paused, wishing({ state: "paused" }, "paused"))).toBe("settled");
  expect(kind(having(limited), wishing({ state: "stopped" }))).toBe("stopMachine");
});

test("a volume that should be larger is made so before a guest starts, and not below one", () => {
  const root = spec.rootVolume;
  if (root === undefined) throw new Error("it has a root");
  const vm = { ...vmIn("pending"), spec: { ...spec, rootVolume: { ...root, grownToMib: 4096 } } };
  const steps = walk(vm, there({ state: "absent" })).steps;
  expect(steps).toEqual(["prepareVolume", "bootMachine"]);
  expect(walk(vm, there(READY)).steps).toEqual([]);
});
