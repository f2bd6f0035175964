import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { stateStoreContract } from "../../../../core/testing/contracts/state-store.contract.ts";
import { LevelStore } from "./level-store.ts";

const made: string[] = [];
const fresh = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "flintlock-store-"));
  made.push(directory);
  return directory;
};
afterAll(() => Promise.all(made.map((directory) => rm(directory, { recursive: true }))));

let directory = "";
stateStoreContract(
  "level",
  async () => {
    directory = await fresh();
    return LevelStore.open(directory);
  },
  async (store) => {
    await store.close();
    return LevelStore.open(directory);
  },
);

test("a second store on one directory is refused by name", async () => {
  const where = await fresh();
  const first = await LevelStore.open(where);
  await expect(LevelStore.open(where)).rejects.toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("another daemon"),
  });
  await first.close();
});

test("every answered commit survives kill -9", async () => {
  const where = await fresh();
  // Its own process, so that it can be killed in the middle of a burst.
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", WRITER, where], {
    stdio: ["ignore", "pipe", "inherit"],
    cwd: import.meta.dirname,
  });
  let printed = "";
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    if (printed.split("\n").length > 200) break;
  }
  child.kill("SIGKILL");
  await once(child, "exit");
  const answered = printed.split("\n").slice(0, -1);
  const store = await LevelStore.open(where);
  const keys = new Set((await store.list("k/")).map(({ key }) => key));
  await store.close();
  expect(answered.length).toBeGreaterThan(100);
  expect(answered.filter((key) => !keys.has(key))).toEqual([]);
});

const WRITER = `
import { LevelStore } from "./level-store.ts";
const store = await LevelStore.open(process.argv[1]);
for (let i = 0; ; i++) {
  await Promise.all([0, 1, 2, 3].map(async (j) => {
    const key = "k/" + i + "-" + j;
    await store.commit({ put: { [key]: "x".repeat(1000) } });
    process.stdout.write(key + "\\n");
  }));
}`;
