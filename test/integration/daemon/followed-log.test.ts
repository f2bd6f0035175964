/** A log that is cut again and again while it is written and followed: every line once, in order. */
import { mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseLogTimes, silentLog } from "@flintlock/core";
import { expect, test } from "vitest";
import { logReader } from "../../../packages/daemon/src/adapters/logs/log-reader.ts";
import { watchLogs } from "../../../packages/daemon/src/adapters/providers/shared/log-watch.ts";

const LINES = 3000;
const OPTIONS = { sources: ["console"], follow: true, tail: 0, since: undefined } as const;

test("a follower of a log that is cut sees no line twice, and none out of order", async () => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-followed-"));
  const path = join(directory, "console.log");
  const watch = watchLogs({ "console.log": { maxBytes: 8000, keepBytes: 4000 } }, silentLog, 20);
  try {
    const writer = await open(path, "a");
    watch.add(directory);
    let isOver = false;
    let text = "";
    const signal = new AbortController().signal;
    const following = (async () => {
      for await (const { bytes } of logReader.read(directory, OPTIONS, () => isOver, signal))
        text += Buffer.from(bytes).toString();
    })();
    for (let line = 0; line < LINES; line++) {
      await writer.write(`line ${line}\n`);
      if (line % 3 === 0) await sleep(1);
    }
    await writer.close();
    isOver = true;
    await following;
    const seen = text.split("\n").flatMap((line) => /^line (\d+)$/.exec(line)?.slice(1).map(Number) ?? []);
    const steps = seen.slice(1).map((line, index) => line - (seen[index] ?? 0));
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(seen.at(-1)).toBe(LINES - 1);
    // What is written while a cut is made may be lost, as a console's may: not more.
    expect(seen.length).toBeGreaterThan(LINES * 0.9);
    expect(parseLogTimes(await readFile(`${path}.times`, "utf8"))?.dropped).toBeGreaterThan(10_000);
    expect((await stat(path)).size).toBeLessThan(20_000);
  } finally {
    watch.stop();
    await rm(directory, { recursive: true, maxRetries: 5 });
  }
});
