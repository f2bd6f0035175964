import { appendFile, mkdtemp, open, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  encodeLogTimes,
  type LogOptions,
  type LogPiece,
  type LogTimes,
  NO_LOG_TIMES,
  noteSize,
  unixMs,
} from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { logReader } from "./log-reader.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-logs-"));
});
afterEach(() => rm(directory, { recursive: true }));

const options: LogOptions = { sources: ["console"], follow: false, tail: 0, since: undefined };
const never = new AbortController().signal;

const text = async (read: AsyncIterable<LogPiece>): Promise<string> => {
  let all = "";
  for await (const { bytes } of read) all += Buffer.from(bytes).toString();
  return all;
};
const read = (changes: Partial<LogOptions>) =>
  logReader.read(directory, { ...options, ...changes }, () => true, never);
/** As log-watch notes them: at such a time the file had so many bytes. */
const noteTimes = (
  name: string,
  times: Partial<LogTimes>,
  ...looks: readonly (readonly [number, number])[]
) =>
  writeFile(
    join(directory, `${name}.times`),
    encodeLogTimes(
      looks.reduce((seen, [at, size]) => noteSize(seen, size, unixMs(at)), { ...NO_LOG_TIMES, ...times }),
    ),
  );

test("a log that is not there yet is empty", async () => {
  expect(await text(logReader.read(directory, options, () => true, never))).toBe("");
});

test("the tail is counted in lines, with and without a last newline", async () => {
  await writeFile(join(directory, "console.log"), "one\ntwo\nthree\n");
  expect(await text(logReader.read(directory, { ...options, tail: 2 }, () => true, never))).toBe(
    "two\nthree\n",
  );
  expect(await text(logReader.read(directory, { ...options, tail: 9 }, () => true, never))).toBe(
    "one\ntwo\nthree\n",
  );
});

test("a follower sees what is added, and what follows a truncation, and ends with the guest", async () => {
  const path = join(directory, "console.log");
  await writeFile(path, "a long first part\n");
  let isOver = false;
  const reading = text(logReader.read(directory, { ...options, follow: true }, () => isOver, never));
  await new Promise((resolve) => setTimeout(resolve, 250));
  await writeFile(path, "new\n");
  await new Promise((resolve) => setTimeout(resolve, 250));
  await appendFile(path, "end\n");
  isOver = true;
  expect(await reading).toBe("a long first part\nnew\nend\n");
});

test.each([7 * 1024 ** 2, 64 * 1024 ** 3])(
  "a hole of %i bytes is passed over, and what is behind it is read",
  async (size) => {
    const path = join(directory, "console.log");
    const file = await open(path, "w");
    await file.write("kept\nlast\n", size);
    await file.close();
    expect(await text(logReader.read(directory, options, () => true, never))).toBe("kept\nlast\n");
    const tail = (lines: number) =>
      text(logReader.read(directory, { ...options, tail: lines }, () => true, never));
    expect([await tail(1), await tail(9)]).toEqual(["last\n", "kept\nlast\n"]);
  },
);

test("since is where the bytes of that second begin, at the beginning of a line; the tail is taken of them", async () => {
  await writeFile(join(directory, "firecracker.stdout"), "one\ntwo\nthree\nfour\n");
  await symlink("firecracker.stdout", join(directory, "console.log"));
  await noteTimes("firecracker.stdout", {}, [1000, 6], [2000, 14], [3000, 19]);
  const since = (at: number, tail = 0) => text(read({ since: unixMs(at), tail }));
  expect(await since(0)).toBe("one\ntwo\nthree\nfour\n");
  expect(await since(1500)).toBe("two\nthree\nfour\n");
  expect(await since(2500)).toBe("four\n");
  expect(await since(1500, 2)).toBe("three\nfour\n");
  expect(await since(1500, 9)).toBe("two\nthree\nfour\n");
  expect(await since(Date.now() + 60_000)).toBe("");
});

test("a log without times is as old as its last change", async () => {
  const path = join(directory, "console.log");
  await writeFile(path, "old\n");
  await utimes(path, 1000, 1000);
  expect(await text(read({ since: unixMs(999_000) }))).toBe("old\n");
  expect(await text(read({ since: unixMs(1_001_000) }))).toBe("");
});

test("times that are nonsense are none", async () => {
  await writeFile(join(directory, "console.log"), "line\n");
  await writeFile(join(directory, "console.log.times"), '{"dropped":"many"}');
  expect(await text(read({ since: unixMs(1000) }))).toBe("line\n");
});

test("all logs come in the order of their times, each piece with its source", async () => {
  await writeFile(join(directory, "console.log"), "c1\nc2\n");
  await noteTimes("console.log", {}, [1000, 3], [3000, 6]);
  await writeFile(join(directory, "vmm.log"), "v1\n");
  await noteTimes("vmm.log", {}, [2000, 3]);
  const [init, agent] = ['{"event":"init"}\n', '{"event":"log","from":"agent"}\n'];
  await writeFile(join(directory, "status.log"), `${init}${agent}{"half`);
  await noteTimes("status.log", {}, [4000, 53]);
  const pieces: string[] = [];
  for await (const { source, bytes } of read({ sources: ["console", "vmm", "init", "agent"] }))
    pieces.push(`${source} ${Buffer.from(bytes)}`);
  expect(pieces).toEqual(["console c1\n", "vmm v1\n", "console c2\n", `init ${init}`, `agent ${agent}`]);
});

test("a status on a disk ends at its first zero", async () => {
  const path = join(directory, "status.log");
  await writeFile(path, Buffer.concat([Buffer.from("one\ntwo\n"), Buffer.alloc(65_000)]));
  expect(await text(read({ sources: ["init"] }))).toBe("one\ntwo\n");
  expect(await text(read({ sources: ["init"], tail: 1 }))).toBe("two\n");
  expect(await text(read({ sources: ["agent"] }))).toBe("");
});

test("a follower sees no byte twice when the log is cut, and all of one that is begun anew", async () => {
  const path = join(directory, "console.log");
  let isOver = false;
  let seen = "";
  await writeFile(path, "1\n2\n3\n");
  await noteTimes("console.log", {}, [1000, 6]);
  const following = (async () => {
    const pieces = logReader.read(directory, { ...options, follow: true }, () => isOver, never);
    for await (const { bytes } of pieces) seen += Buffer.from(bytes).toString();
  })();
  await expect.poll(() => seen).toBe("1\n2\n3\n");
  await noteTimes("console.log", { isBeingCut: true });
  await writeFile(path, "3\n");
  await noteTimes("console.log", { dropped: 4 }, [2000, 2]);
  await appendFile(path, "4\n");
  await expect.poll(() => seen).toBe("1\n2\n3\n4\n");
  await writeFile(path, "5\n");
  await noteTimes("console.log", { dropped: 8, renewals: 1 }, [3000, 2]);
  await expect.poll(() => seen).toBe("1\n2\n3\n4\n5\n");
  isOver = true;
  await following;
});
