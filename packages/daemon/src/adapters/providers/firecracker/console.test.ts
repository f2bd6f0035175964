/** The console of a program that is as a VMM is: it reads the FIFO, and appends to the file. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, open, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ByteStream, MachineRef, Uid } from "@flintlock/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createConsoles, makeConsoleInput, openConsoleInput } from "./console.ts";
import { CONSOLE_FILE } from "./files.ts";

const NEVER = new AbortController().signal;
let ref: MachineRef;
let end: () => Promise<void>;
beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), "console-"));
  ref = { uid: "VM" as Uid, directory };
  await appendFile(join(directory, CONSOLE_FILE), "from before\n");
  await makeConsoleInput(directory);
  await using input = await openConsoleInput(directory);
  await using output = await open(join(directory, CONSOLE_FILE), "a");
  const vmm = spawn("cat", { stdio: [input.fd, output.fd, "ignore"] });
  const ended = once(vmm, "exit");
  end = async () => {
    vmm.kill("SIGKILL");
    await ended;
  };
});
afterEach(async () => {
  await end();
  await rm(ref.directory, { recursive: true });
});

const read = async (stream: ByteStream, bytes: number): Promise<string> => {
  let text = "";
  for await (const chunk of stream.bytes) {
    text += Buffer.from(chunk).toString("latin1");
    if (text.length >= bytes) break;
  }
  return text;
};

test("what is typed is answered, and nothing from before is told; one client after the other", async () => {
  const consoles = createConsoles();
  for (const text of ["hello\n", "again\n"]) {
    await using stream = await consoles.open(ref, NEVER);
    await expect(consoles.open(ref, NEVER)).rejects.toMatchObject({ code: "failed_precondition" });
    await stream.write(Buffer.from(text));
    expect(await read(stream, text.length)).toBe(text);
  }
});

test("a VMM that is slow to read is waited for", async () => {
  await using stream = await createConsoles().open(ref, NEVER);
  const text = "x".repeat(300_000);
  const [, heard] = await Promise.all([stream.write(Buffer.from(text)), read(stream, text.length)]);
  expect(heard).toBe(text);
});

test("a file that is cut is read on from its end", async () => {
  await using stream = await createConsoles().open(ref, NEVER);
  const heard = read(stream, 5);
  await truncate(join(ref.directory, CONSOLE_FILE), 0);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await stream.write(Buffer.from("after"));
  expect(await heard).toBe("after");
});

test("the stream ends with the VMM, and there is none without", async () => {
  const consoles = createConsoles();
  {
    await using stream = await consoles.open(ref, NEVER);
    await stream.write(Buffer.from("last"));
    const all = read(stream, Number.POSITIVE_INFINITY);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await end();
    expect(await all).toBe("last");
  }
  await expect(consoles.open(ref, NEVER)).rejects.toMatchObject({ code: "unavailable" });
});
