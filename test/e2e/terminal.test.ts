/** Programs that draw on a whole terminal, in a guest's shell. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestDaemon } from "../support/daemon.ts";
import { Terminal } from "../support/terminal.ts";

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await TestDaemon.start();
  const made = await daemon.flintlock(["create", "-n", "web", "-m", "128M", "--", "sleep", "100000"]);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(async () => {
  await daemon?.[Symbol.asyncDispose]();
});

/** Where a program puts the cursor: the start of this row, which is the last one it knows of. */
const rowStart = (row: number): RegExp => new RegExp(`\\x1b\\[${row};1H`);

test("shell has a terminal of our size, which follows it; vi and top draw for it, and the shell's code is ours", async () => {
  await using terminal = Terminal.flintlock(24, 80, ["-H", `unix://${daemon.socket}`, "shell", "web"]);
  terminal.type("stty size\r");
  await terminal.shows(/24 80/);
  terminal.resize(40, 100);
  terminal.type("sleep 1; stty size\r");
  await terminal.shows(/40 100/);

  terminal.type("seq 1 200 > /numbers; vi /numbers\r");
  await terminal.shows(rowStart(40));
  terminal.resize(17, 60);
  await terminal.shows(rowStart(17));
  terminal.type("Gofrom vi\x1b");
  // By itself: what follows an escape at once is a part of it.
  await terminal.shows(/- \/numbers \[Modified\]/);
  terminal.type(":wq\r");
  terminal.type("tail -n 1 /numbers | tr a-z A-Z\r");
  await terminal.shows(/FROM VI/);

  terminal.type("top -d 1\r");
  await terminal.shows(/Mem: \d+K used/);
  // A second screen, drawn by itself.
  await terminal.shows(/Mem: \d+K used/);
  terminal.type("q");
  // A Ctrl-C is the guest's, and ends no shell. What is typed before it is read is lost to it.
  terminal.type("echo go; echo on; sleep 1000\r");
  await terminal.shows(/go\r+\non\r+\n/);
  terminal.type("\x03");
  await terminal.shows(/\^C/);
  terminal.type("exit 7\r");
  expect(await terminal.exitCode()).toBe(7);
});
