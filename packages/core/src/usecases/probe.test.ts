import { extension, settle, World, wireInput } from "@flintlock/core/testing";
import { expect, test } from "vitest";
import { type ErrorCode, FlintlockError } from "../domain/errors.ts";
import type { ProbeReport, ProbeRequest } from "./api.ts";

const signal = new AbortController().signal;

const start = async (request: ProbeRequest, prepare: (world: World) => void = () => undefined) => {
  const world = new World();
  prepare(world);
  const daemon = await world.daemon();
  const { uid } = await daemon.microvms.create(wireInput({ extension: extension() }));
  await settle();
  const reports: ProbeReport[] = [];
  const outcome: { code: ErrorCode | "met" | undefined; message: string } = { code: undefined, message: "" };
  const run = async () => {
    try {
      const target = { target: uid, namespace: "" };
      for await (const report of daemon.microvms.probe(target, request, signal)) reports.push(report);
      outcome.code = "met";
    } catch (error) {
      if (!(error instanceof FlintlockError)) throw error;
      Object.assign(outcome, { code: error.code, message: error.message });
    }
  };
  void run();
  await settle();
  return { world, daemon, uid, reports, outcome };
};

test("conditions are asked in their order, each until it is met", async () => {
  const { world, reports, outcome } = await start({ conditions: ["agent", "tcp:80"], timeoutSeconds: 0 });
  expect(reports).toEqual([{ condition: "agent", isMet: false, seen: "not yet" }]);
  world.probe.answers.set("agent", "met");
  world.clock.advance(100);
  await settle();
  world.probe.answers.set("tcp:80", "met");
  world.clock.advance(100);
  await settle();
  expect(reports.slice(1).map(({ condition, isMet }) => [condition, isMet])).toEqual([
    ["agent", true],
    ["tcp:80", false],
    ["tcp:80", true],
  ]);
  expect(outcome.code).toBe("met");
});

test("a microVM on its way is waited for, and the time limit tells how far it was", async () => {
  const { world, outcome } = await start({ conditions: ["agent"], timeoutSeconds: 3 }, (world) => {
    world.provider.script.bootMs = 60_000;
  });
  expect(world.probe.asked).toEqual([]);
  world.clock.advance(3000);
  await settle();
  world.clock.advance(0);
  await settle();
  expect(outcome).toEqual({
    code: "deadline_exceeded",
    message: "agent was not met within 3 s; last seen: the microVM is pending",
  });
});

test("a guest that has ended, or is to go, is not waited for", async () => {
  const ended = await start({ conditions: ["agent"], timeoutSeconds: 0 });
  ended.world.provider.end(ended.uid, 0);
  await settle();
  ended.world.clock.advance(100);
  await settle();
  expect(ended.outcome).toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("exited"),
  });
});

test.each([
  [{ conditions: [], timeoutSeconds: 0 }, "conditions"],
  [{ conditions: ["agent", "tcp:0"], timeoutSeconds: 0 }, "conditions[1]"],
  [{ conditions: ["agent"], timeoutSeconds: 86_401 }, "timeout_seconds"],
  [{ conditions: ["agent"], timeoutSeconds: -1 }, "timeout_seconds"],
])("%j is refused by the field's name", async (request, field) => {
  const { outcome } = await start(request);
  expect(outcome).toMatchObject({ code: "invalid_spec", message: expect.stringContaining(field) });
});
