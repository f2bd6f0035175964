import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { events, ext } from "@flintlock/client";
import pc from "picocolors";
import { expect, test } from "vitest";
import { explanation } from "./explanation.ts";

const palette = pc.createColors(false);
const START = Date.UTC(2026, 0, 1);

const vmOf = (change: Partial<ext.MicroVM> = {}): ext.MicroVM => ({
  ...create(ext.MicroVMSchema, {
    microvm: {
      spec: {
        id: "web",
        namespace: "default",
        uid: "01K",
        provider: "qemu",
        createdAt: timestampFromMs(START),
        rootVolume: { id: "root", source: { containerSource: "example.test/app:1" } },
      },
    },
    state: ext.State.RUNNING,
    desiredState: ext.State.RUNNING,
    providerReason: "the only one that works",
    timings: [
      { step: "pullImage", ms: 100 },
      { step: "bootMachine", ms: 300 },
    ],
  }),
  ...change,
});

const eventOf = (type: events.Event_Type, ms: number): events.Event =>
  create(events.EventSchema, { type, at: timestampFromMs(START + ms), uid: "01K" });

const text = (vm: ext.MicroVM, more: Partial<Parameters<typeof explanation>[0]> = {}): string =>
  explanation({ vm, events: [], console: "", vmm: "", ...more }, palette);

test("one that runs has its provider, its steps one after the other, its story, and no trouble", () => {
  const { RUNNING, CREATED } = events.Event_Type;
  expect(text(vmOf(), { events: [eventOf(CREATED, 0), eventOf(RUNNING, 400)] })).toBe(`\
default/web  RUNNING  01K
provider  qemu: the only one that works

the last start that came up took 400 ms
  pullImage       100 ms  ${"=".repeat(10)}
  bootMachine     300 ms  ${" ".repeat(10)}${"=".repeat(30)}

what happened, in seconds since its creation
       0.000  created
       0.400  running
`);
});

test("of a long story the end is told, and where the rest is", () => {
  const many = Array.from({ length: 25 }, (_, index) => eventOf(events.Event_Type.RETRYING, index));
  const told = text(vmOf(), { events: many });
  expect(told.match(/retrying/g)).toHaveLength(20);
  expect(told).toContain("5 earlier: flintlock events --filter uid=01K");
});

test("a failure has its step, cause, last words made harmless, and what to try", () => {
  const failure = create(ext.FailureSchema, {
    step: "pullImage",
    code: "not_found",
    message: "no such image\u001b[2J",
  });
  const told = text(vmOf({ state: ext.State.FAILED, failure }), {
    console: "panic\u001b[2J\nhalt",
    vmm: "gone",
  });
  expect(told).toContain("default/web  FAILED, wanted RUNNING  01K");
  expect(told).not.toContain("\u001b");
  expect(told.slice(told.indexOf("what is wrong"))).toBe(`\
what is wrong
  step      pullImage, not_found
  cause     no such image\\x1b[2J
  the guest's last words
    panic\\x1b[2J
    halt
  the VMM's last words
    gone
try: Is the image's name right, and may the daemon have it? flintlock pull example.test/app:1 Then: flintlock start web
`);
});

test("what went wrong before somebody stopped it is no trouble any more", () => {
  const failure = create(ext.FailureSchema, {
    step: "bootMachine",
    code: "provider_failed",
    message: "it ended",
  });
  const { STOPPED } = ext.State;
  expect(text(vmOf({ state: STOPPED, desiredState: STOPPED, failure }))).not.toContain("what is wrong");
});

test("an end without failure, and a crash loop, are told apart", () => {
  const exit = create(ext.ExitSchema, { code: 3, reason: "process exited" });
  expect(text(vmOf({ state: ext.State.EXITED, exit }))).toContain("try: Read flintlock logs web");
  expect(text(vmOf({ state: ext.State.EXITED, exit: { ...exit, code: 0 } }))).toContain(
    "what it was made for",
  );
  const looping = text(vmOf({ state: ext.State.PENDING, exit, reason: "crash-looping", restarts: 4 }));
  expect(looping).toContain("restarts  4 in a row");
  expect(looping).toContain("modify --restart no web");
});

test("one on its way says what it awaits, and one that can expire when, and how it did", () => {
  const at = timestampFromMs(START);
  const awaiting = vmOf({
    ...create(ext.MicroVMSchema, {
      microvm: vmOf().microvm,
      state: ext.State.PENDING,
      readyWhen: { conditions: ["agent", "tcp:80", "exec:\u001b[31m"] },
      conditionsMet: [{ condition: "agent", at }],
    }),
  });
  expect(text(awaiting)).toContain("\nawaits    tcp:80, exec:");
  expect(text(awaiting)).not.toContain("\u001b");
  expect(text({ ...awaiting, state: ext.State.RUNNING })).not.toContain("awaits");
  const expiring = create(ext.MicroVMSchema, {
    microvm: vmOf().microvm,
    state: ext.State.RUNNING,
    expiry: { at, idleSeconds: 90 },
    expired: { cause: "idle", action: ext.Expiry_Action.STOP, at },
  });
  expect(text(expiring)).toContain(`
expires   2026-01-01T00:00:00.000Z, then it is deleted
idle      for 90 s, then it is stopped
expired   2026-01-01T00:00:00.000Z, by its idle time
`);
});
