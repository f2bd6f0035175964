import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ending, forgetGuestExit, guestExit } from "./guest-exit.ts";
import { readBootId } from "./proc.ts";

let directory: string;
let ending: Ending;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "guest-exit-"));
  const identity = { pid: 2, startTime: "1", bootId: await readBootId() };
  ending = {
    directory,
    identity,
    end: { code: 0, signal: undefined },
    now: 1000,
    endedWell: async () => true,
  };
});
afterEach(async () => await rm(directory, { recursive: true }));

const say = (event: object) => writeFile(join(directory, "status.log"), `${JSON.stringify(event)}\n`);

test("the guest's own exit code counts first", async () => {
  await say({ event: "exit", t: 9, code: 3 });
  expect(await guestExit({ ...ending, end: { code: undefined, signal: "SIGKILL" } })).toEqual({
    exit: { code: 3, reason: "process exited with 3", at: 1000 },
    wasReady: true,
  });
});

test("the first answer is kept until a new start", async () => {
  await say({ event: "exit", t: 9, code: 137 });
  const first = await guestExit(ending);
  expect(first.exit.reason).toBe("process ended by signal 9");
  await say({});
  expect(await guestExit({ ...ending, now: 2000 })).toEqual(first);
  await forgetGuestExit(directory);
  expect(await guestExit({ ...ending, now: 2000 })).toEqual({
    exit: { code: undefined, reason: "guest powered off", at: 2000 },
    wasReady: true,
  });
});

test("what was written of an earlier VMM does not count", async () => {
  await say({ event: "exit", t: 9, code: 3 });
  await guestExit(ending);
  await say({ event: "exit", t: 9, code: 4 });
  const next = { ...ending, identity: { ...ending.identity, startTime: "2" } };
  expect((await guestExit(next)).exit.code).toBe(4);
});

test("without the guest's word, the VMM's end tells", async () => {
  const reasonOf = async (change: Partial<Ending>) => {
    await forgetGuestExit(directory);
    return (await guestExit({ ...ending, ...change })).exit.reason;
  };
  expect(await reasonOf({})).toBe("guest powered off");
  expect(await reasonOf({ end: { code: undefined, signal: "SIGKILL" } })).toBe("VMM ended by SIGKILL");
  expect(await reasonOf({ end: { code: 1, signal: undefined } })).toBe(
    "VMM ended unexpectedly with status 1",
  );
  expect(await reasonOf({ identity: { ...ending.identity, bootId: "another" } })).toBe("host restarted");
  expect(await reasonOf({ end: undefined })).toBe("guest powered off");
  expect(await reasonOf({ end: undefined, endedWell: async () => false })).toBe("VMM ended unexpectedly");
  expect(await reasonOf({ reason: "ended by the host" })).toBe("ended by the host");
  await say({ event: "error", step: "root", message: "no such device" });
  expect(await reasonOf({})).toBe("guest failed at root: no such device");
});

test("a guest of ours was ready when it said so", async () => {
  await writeFile(join(directory, "initrd.img"), "");
  expect((await guestExit(ending)).wasReady).toBe(false);
  await say({ event: "ready" });
  expect((await guestExit(ending)).wasReady).toBe(false);
  await forgetGuestExit(directory);
  expect((await guestExit(ending)).wasReady).toBe(true);
});
