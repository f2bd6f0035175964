import { SIMULATED_LIMITS, wireInput } from "@flintlock/core/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { MicroVM, MicroVMState } from "../domain/microvm.ts";
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
  version: 1,
});

const EXITED: ObservedMachine = {
  state: "exited",
  wasReady: false,
  exit: { code: undefined, reason: "", at: unixMs(0) },
};

const anyObserved: fc.Arbitrary<Observed> = fc.record({
  machine: fc.constantFrom<ObservedMachine>(
    { state: "absent" },
    { state: "booting" },
    { state: "ready" },
    EXITED,
  ),
  images: fc.subarray([...imagesOf(spec)]).map((list) => new Set<OciReference>(list)),
  volumes: fc.subarray(volumesOf(spec).map(({ id }) => id)).map((list) => new Set(list)),
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
      return { ...observed, hasDirectory: true, volumes: new Set([...observed.volumes, next.volumeId]) };
    case "ensureInterface":
      return { ...observed, interfaces: new Set([...observed.interfaces, next.deviceId]) };
    case "bootMachine":
    case "awaitGuest":
      return { ...observed, hasDirectory: true, machine: { state: "ready" } };
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
      return { ...observed, hasDirectory: false, volumes: new Set(), machine: { state: "absent" } };
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
  volumes: new Set(),
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
    machine: { state: "ready" },
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
    machine: { state: "ready" },
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
  expect(plan(vmIn("created"), exited).kind).toBe("ended");
});
