import { MICROVM_STATES } from "@flintlock/core";
import { expect, test } from "vitest";
import { sampleMicroVM } from "../testing/sample-microvm.ts";
import { conditionOf, refuseHopeless } from "./wait-condition.ts";

const vm = sampleMicroVM();
const inState = (state: typeof vm.status.state) => ({ ...vm, status: { ...vm.status, state } });

test("each condition holds in its states alone", () => {
  const holds = (name: string) => [
    ...MICROVM_STATES.filter((state) => conditionOf(name)(inState(state))),
    ...(conditionOf(name)(undefined) ? ["gone"] : []),
  ];
  expect(holds("running")).toEqual(["created"]);
  expect(holds("paused")).toEqual(["paused"]);
  expect(holds("stopped")).toEqual(["stopped"]);
  expect(holds("exited")).toEqual(["stopped", "exited"]);
  expect(holds("deleted")).toEqual(["gone"]);
  expect(holds("settled")).toEqual(["created", "paused", "stopped", "exited", "failed", "deleting"]);
  expect(holds("")).toEqual(holds("settled"));
});

test("an unknown condition is refused with those there are", () => {
  for (const name of ["ready", "__proto__", "toString"]) {
    expect(() => conditionOf(name)).toThrow("running, paused, stopped, exited, deleted, settled");
  }
});

test("waiting for what will not come is refused with the reason", () => {
  const failed = inState("failed");
  expect(() => refuseHopeless("running", failed)).toThrow(/is failed, not running/);
  expect(() => refuseHopeless("exited", failed)).toThrow(/is failed, not exited/);
  expect(() => refuseHopeless("running", inState("exited"))).toThrow(/is exited, not running/);
  for (const state of ["stopped", "paused"] as const)
    expect(() => refuseHopeless("running", inState(state))).toThrow(`is ${state}, not running`);
  expect(() => refuseHopeless("exited", inState("paused"))).not.toThrow();
  expect(() => refuseHopeless("stopped", inState("paused"))).not.toThrow();
  for (const name of ["running", "paused", "stopped", "exited"])
    expect(() => refuseHopeless(name, inState("pending"))).not.toThrow();
  expect(() => refuseHopeless("deleted", failed)).not.toThrow();
});
