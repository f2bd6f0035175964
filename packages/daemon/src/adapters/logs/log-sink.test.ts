import { mkdtemp, readFile, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openSink } from "./log-sink.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-sink-"));
});
afterEach(() => rm(directory, { recursive: true }));

test("a log file is added to, for its owner only, with the letters of its name as they are", async () => {
  const path = join(directory, "Daemon.LOG");
  openSink({ kind: "file", path }).write("one\n");
  openSink({ kind: "file", path }).write("two\n");
  expect(await readFile(path, "utf8")).toBe("one\ntwo\n");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("after a rotation a file is opened anew, and when it cannot be, the old one stays", async () => {
  const path = join(directory, "logs");
  const sink = openSink({ kind: "file", path });
  sink.write("one\n");
  await rename(path, `${path}.1`);
  sink.write("two\n");
  sink.reopen();
  sink.write("three\n");
  expect(await readFile(`${path}.1`, "utf8")).toBe("one\ntwo\n");
  expect(await readFile(path, "utf8")).toBe("three\n");
  await rename(directory, `${directory}.moved`);
  expect(() => sink.reopen()).toThrow("cannot be opened");
  sink.write("four\n");
  await rename(`${directory}.moved`, directory);
  expect(await readFile(path, "utf8")).toBe("three\nfour\n");
});

test("a file that cannot be opened is an error that names it", () => {
  expect(() => openSink({ kind: "file", path: "/nowhere/at/all" })).toThrow(
    expect.objectContaining({
      code: "failed_precondition",
      message: "the log /nowhere/at/all cannot be opened",
    }),
  );
});
