import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ROOT, TestDaemon } from "../../support/daemon.ts";

const lines = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");

test("flintlock events prints what has happened, and ls --watch what changes", async () => {
  await using daemon = await TestDaemon.start(["--default-provider", "simulated"]);
  const cli = join(ROOT, "packages/cli/bin/flintlock.js");
  const args = ["-H", `unix://${daemon.socket}`, "ls", "--watch", "-l", "tier=front", "-o", "json"];
  const watch = spawn(process.execPath, [cli, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let seen = "";
  watch.stdout.on("data", (chunk: Buffer) => {
    seen += chunk.toString();
  });
  expect((await daemon.flintlock(["create", "-n", "web", "-l", "tier=front", "alpine:3"])).code).toBe(0);
  await daemon.flintlock(["create", "-n", "db", "alpine:3"]);
  await daemon.flintlock(["wait", "--for", "running", "web"]);
  await daemon.flintlock(["rm", "web"]);

  const all = await daemon.flintlock(["events", "--json", "--since", "10m"]);
  const events = lines(all.stdout).map(
    (line) => JSON.parse(line) as { name: string; type: string; position: string },
  );
  expect(events.filter(({ name }) => name === "web").map(({ type }) => type)).toEqual([
    "CREATED",
    "PULLED",
    "RUNNING",
    "DELETING",
    "DELETED",
  ]);
  const some = await daemon.flintlock(["events", "--filter", "type=deleted", "--filter", "name=web"]);
  expect(some.stdout).toMatch(/^\S+Z {2}deleted {9}default\/web {2}\w{26}\n$/);
  const rest = await daemon.flintlock(["events", "--since", events.at(-2)?.position ?? "", "-q"]);
  expect(rest.stdout).toBe(`${events.at(-1)?.name}\n`);
  expect(await daemon.flintlock(["events", "--since", "99999"])).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("error[out_of_range]: position 99999 has not come yet"),
  });
  for (const bad of [
    ["--since", "soon"],
    ["--filter", "type=odd"],
    ["--filter", "tier"],
    ["--filter", "a=b"],
  ]) {
    expect((await daemon.flintlock(["events", ...bad])).code).toBe(2);
  }

  for (let i = 0; i < 100 && !seen.includes("DELETING"); i++) await sleep(50);
  watch.kill("SIGINT");
  const [code] = await once(watch, "exit");
  expect(code).toBe(130);
  const states = lines(seen).map((line) => JSON.parse(line) as { name: string; state: string });
  expect(new Set(states.map(({ name }) => name))).toEqual(new Set(["web"]));
  expect(states.at(-1)?.state).toBe("DELETING");
});
