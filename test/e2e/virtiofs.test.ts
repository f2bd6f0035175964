/** A directory of this host in a guest, as a person asks for it. */
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { VIRTIOFSDS } from "../integration/providers/virtiofsds.ts";
import { processesNaming, TestDaemon } from "../support/daemon.ts";

const [program] = await VIRTIOFSDS();
const obstacle = program === undefined ? "there is no virtiofsd" : program.obstacle;

describe.skipIf(obstacle !== undefined)(`virtiofs${obstacle === undefined ? "" : `: ${obstacle}`}`, () => {
  let daemon: TestDaemon;
  let top: string;
  let root: string;
  beforeAll(async () => {
    top = await realpath(await mkdtemp(join(tmpdir(), "flintlock-e2e-shared-")));
    root = join(top, "shared");
    await mkdir(join(root, "work"), { recursive: true });
    await mkdir(join(top, "secret"));
    await symlink(join(top, "secret"), join(root, "out"));
    await writeFile(join(root, "work/input"), "hello\n");
    daemon = await TestDaemon.start(["--virtiofs-root", root, "--virtiofs-bin", program?.path ?? ""]);
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await rm(top, { recursive: true });
  });

  test("a guest works in it, and nothing is left of its server when it has ended", async () => {
    const script = "tr a-z A-Z < /work/input > /work/output; cat /work/output";
    const { code, stdout, stderr } = await daemon.flintlock([
      ...["run", "--rm", "--volume", `${join(root, "work")}:/work`],
      ...["--", "sh", "-c", script],
    ]);
    expect([code, stdout], stderr).toEqual([0, "HELLO\n"]);
    expect(await readFile(join(root, "work/output"), "utf8")).toBe("HELLO\n");
    await expect.poll(() => processesNaming("-virtiofs-0"), { timeout: 10_000 }).toEqual([]);
  });

  test.each(["out", "../secret", "absent"])("%s is refused at the request, by its field", async (path) => {
    const { code, stderr } = await daemon.flintlock([
      ...["create", "--volume", `${root}/${path}:/work`, "--", "true"],
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      "additional_volumes[0].source.virtiofs_source: is no directory that this host shares",
    );
    expect(stderr).toContain("--virtiofs-root");
  });
});
