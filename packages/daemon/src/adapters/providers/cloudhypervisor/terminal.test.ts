/** With a terminal there is test/kvm/cloudhypervisor.test.ts: Node makes none. */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openTerminal } from "./terminal.ts";

test("what is gone, and what is no terminal, is not taken for one, and no log is begun", async () => {
  const directory = await mkdtemp(join(tmpdir(), "terminal-"));
  try {
    for (const path of ["/dev/pts/999999999", "/dev/null", "/dev/zero"]) {
      const opening = (): unknown => openTerminal(path, join(directory, "console.log"));
      expect(opening).toThrow(expect.objectContaining({ code: "unavailable" }));
    }
    expect(await readdir(directory)).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
});
