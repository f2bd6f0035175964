import { mkdir, mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MachineRef, Uid } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { userIdOf } from "./user-ids.ts";

const RANGE = { first: 300_000, count: 8 };
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "user-ids-"));
});
afterEach(async () => await rm(root, { recursive: true }));

const vm = async (name: string): Promise<MachineRef> => {
  const directory = join(root, "vm", name);
  await mkdir(directory, { recursive: true });
  return { uid: name as Uid, directory };
};
const idOf = (ref: MachineRef): Promise<number> => userIdOf(join(root, "jails"), ref, RANGE);

test("each VM has its own, and keeps it; all at once too", async () => {
  const vms = await Promise.all(Array.from({ length: RANGE.count }, (_, n) => vm(`VM${n}`)));
  const first = await Promise.all(vms.map(idOf));
  expect(new Set(first).size).toBe(RANGE.count);
  for (const id of first) {
    expect(id).toBeGreaterThanOrEqual(RANGE.first);
    expect(id).toBeLessThan(RANGE.first + RANGE.count);
  }
  expect(await Promise.all(vms.map(idOf))).toEqual(first);
});

test("when all are taken it is said; one whose VM is gone for a while is another's", async () => {
  const vms = await Promise.all(Array.from({ length: RANGE.count }, (_, n) => vm(`VM${n}`)));
  const ids = await Promise.all(vms.map(idOf));
  const late = await vm("LATE");
  await expect(idOf(late)).rejects.toMatchObject({ code: "exhausted" });
  await rm(vms[3]?.directory ?? "", { recursive: true });
  // It may be about to be made.
  await expect(idOf(late)).rejects.toMatchObject({ code: "exhausted" });
  const long = new Date(Date.now() - 3_600_000);
  for (const id of ids) await utimes(join(root, "jails", "uids", String(id)), long, long);
  expect(await idOf(late)).toBe(ids[3]);
  expect(await readdir(join(root, "jails", "uids"))).not.toContain("VM3");
});
