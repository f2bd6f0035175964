import { expect, test } from "vitest";
import { sampleMicroVM } from "../testing/sample-microvm.ts";
import { conditionOf, refuseHopeless } from "./wait-condition.ts";

const vm = sampleMicroVM();
const inState = (state: typeof vm.status.state) => ({ ...vm, status: { ...vm.status, state } });

test("each condition holds in its states alone", () => {
  const states = ["pending", "created", "exited", "failed", "deleting"] as const;
  const holds = (name: string) => [
    ...states.filter((state) => conditionOf(name)(inState(state))),
    ...(conditionOf(name)(undefined) ? ["gone"] : []),
  ];
  expect(holds("running")).toEqual(["created"]);
  expect(holds("exited")).toEqual(["exited"]);
  expect(holds("deleted")).toEqual(["gone"]);
  expect(holds("settled")).toEqual(["created", "exited", "failed", "deleting"]);
  expect(holds("")).toEqual(holds("settled"));
});

test("an unknown condition is refused with those there are", () => {
  for (const name of ["ready", "__proto__", "toString"]) {
    expect(() => conditionOf(name)).toThrow("running, exited, deleted, settled");
  }
});

test("waiting for what will not come is refused with the reason", () => {
  const failed = inState("failed");
  expect(() => refuseHopeless("running", failed)).toThrow(/is failed, not running/);
  expect(() => refuseHopeless("exited", failed)).toThrow(/is failed, not exited/);
  expect(() => refuseHopeless("running", inState("exited"))).toThrow(/is exited, not running/);
  for (const name of ["running", "exited"])
    expect(() => refuseHopeless(name, inState("pending"))).not.toThrow();
  expect(() => refuseHopeless("deleted", failed)).not.toThrow();
});
