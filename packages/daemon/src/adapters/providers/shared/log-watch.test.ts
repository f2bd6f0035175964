import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "@flintlock/core";
import { expect, test } from "vitest";
import { watchLogs } from "./log-watch.ts";

test("the files of every known directory are cut, and a directory that is gone is forgotten", async () => {
  const gone = await mkdtemp(join(tmpdir(), "log-watch-"));
  const directory = await mkdtemp(join(tmpdir(), "log-watch-"));
  const watch = watchLogs({ "console.log": { maxBytes: 10, keepBytes: 5 } }, silentLog, 10);
  try {
    await writeFile(join(directory, "console.log"), "0123456789\nabc\n");
    watch.add(gone);
    watch.add(directory);
    await rm(gone, { recursive: true });
    await expect.poll(async () => (await stat(join(directory, "console.log"))).size).toBe(4);
  } finally {
    watch.stop();
    await rm(directory, { recursive: true });
  }
});
