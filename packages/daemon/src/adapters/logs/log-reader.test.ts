import { appendFile, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { logReader } from "./log-reader.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "flintlock-logs-"));
});
afterEach(() => rm(directory, { recursive: true }));

const options = { source: "console", follow: false, tail: 0 } as const;
const never = new AbortController().signal;

const text = async (read: AsyncIterable<Uint8Array>): Promise<string> => {
  let all = "";
  for await (const bytes of read) all += Buffer.from(bytes).toString();
  return all;
};

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
